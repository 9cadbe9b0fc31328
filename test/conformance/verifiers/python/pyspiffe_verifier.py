"""Judges tokens with py-spiffe, as the guide says or by its defaults; run by python-verifiers.test.ts."""

# region verify
import os
import urllib.request

import jwt  # PyJWT, which py-spiffe brings
from spiffe import JwtBundle, JwtSvid, TrustDomain
from spiffe.errors import PySpiffeError

ISSUER = os.environ.get("ISSUER", "https://stint.example.org:8443")
RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")


def bundle_of(trust_domain):
    """The broker's keys. Fetch them anew each minute; a whole SPIFFE bundle the library can't read."""
    with urllib.request.urlopen(f"{ISSUER}/jwks.json", timeout=10) as answer:
        return JwtBundle.parse(TrustDomain(trust_domain), answer.read())


def svid_of(token, bundle):
    """A step's JWT-SVID for this server; PySpiffeError for anything else."""
    svid = JwtSvid.parse_and_validate(token, bundle, {RESOURCE})
    # An SVID shows no claims, so they are read once more from the token that was verified above.
    claims = jwt.decode(token, options={"verify_signature": False})
    if claims.get("iss") != ISSUER:
        raise PySpiffeError("another issuer's")
    if "cnf" in claims:
        raise PySpiffeError("bound to a key whose possession is not checked here")
    return svid
# endregion


if __name__ == "__main__":
    import sys

    bundle = bundle_of("example.org")
    audience = set() if os.environ["MODE"] == "no audience" else {RESOURCE}
    print("ready", flush=True)
    for line in sys.stdin:
        token = line.strip()
        try:
            if os.environ["MODE"] == "guide":
                svid = svid_of(token, bundle)
            else:
                svid = JwtSvid.parse_and_validate(token, bundle, audience)
            print("taken", svid.spiffe_id, flush=True)
        except (PySpiffeError, ValueError) as refused:
            print("refused", type(refused).__name__, flush=True)
