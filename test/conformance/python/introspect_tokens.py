"""Reads tokens, one a line, and says of each what the broker says of it: by introspection, with a client certificate.

What is needed is in Python itself. The certificate is the X.509-SVID of a verifier's entry, a few minutes long: whoever
fetches a new one loads it into a new context.
"""

import sys

# region introspect
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request


def asker(url, certificate, key, cafile):
    """A function that tells of a token what the broker tells; urllib.error.HTTPError where it does not."""
    context = ssl.create_default_context(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)

    def introspect(token):
        form = urllib.parse.urlencode({"token": token}).encode()
        with urllib.request.urlopen(f"{url}/introspect", form, timeout=10, context=context) as answer:
            return json.load(answer)

    return introspect


# endregion

if __name__ == "__main__":
    introspect = asker(*sys.argv[1:])
    for line in sys.stdin:
        try:
            told = introspect(line.strip())
        except urllib.error.HTTPError as refused:
            told = {"status": refused.code, **json.load(refused)}
        print(json.dumps(told), flush=True)
