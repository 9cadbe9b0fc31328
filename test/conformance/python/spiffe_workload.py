"""A workload that uses py-spiffe. It is told what to do on standard input, one JSON object a line, and answers in kind;
what the broker tells it meanwhile it says as lines with an "event"."""

import json
import sys
import threading

import grpc
from spiffe import SpiffeId, WorkloadApiClient, X509Source
from spiffe.errors import PySpiffeError
from spiffe.svid.jwt_svid import JwtSvid

lock = threading.Lock()


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def x509_of(svid):
    not_after = int(svid.leaf.not_valid_after_utc.timestamp())
    return {"id": str(svid.spiffe_id), "serial": format(svid.leaf.serial_number, "x"), "not_after": not_after}


def x509(client, _order):
    context = client.fetch_x509_context()
    bundles = client.fetch_x509_bundles()
    found = []
    for svid in context.x509_svids:
        authorities = bundles.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain).x509_authorities
        if not any(signed_by(svid.leaf, authority) for authority in authorities):
            raise ValueError("signed by none of the bundle")
        if svid.private_key.public_key() != svid.leaf.public_key():
            raise ValueError("another key than the certificate's")
        found.append(x509_of(svid))
    return found


def signed_by(leaf, authority):
    try:
        leaf.verify_directly_issued_by(authority)
        return True
    except Exception:
        return False


def jwt(client, order):
    subject = SpiffeId(order["spiffe_id"]) if "spiffe_id" in order else None
    audience = set(order["audience"])
    bundles = client.fetch_jwt_bundles()
    found = []
    for svid in client.fetch_jwt_svids(audience, subject):
        bundle = bundles.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        verified = JwtSvid.parse_and_validate(svid.token, bundle, audience)
        found.append({"id": str(verified.spiffe_id), "token": svid.token})
    return found


def validate(client, order):
    return {"id": str(client.validate_jwt_svid(order["token"], order["audience"][0]).spiffe_id)}


def source(client, order):
    # #region source
    def step(svids):
        # py-spiffe shows no hints, so the step is told by its SPIFFE ID.
        return next(svid for svid in svids if str(svid.spiffe_id) == spiffe_id)

    spiffe_id = order["spiffe_id"]
    with X509Source(client, svid_picker=step) as source:  # waits until there is an identity
        svid = source.get_x509_context().default_svid
    # #endregion
    return x509_of(svid)


kept = {}


def keep(client, order):
    def step(svids):
        return next(svid for svid in svids if str(svid.spiffe_id) == order["spiffe_id"])

    kept["source"] = X509Source(client, svid_picker=step)
    return own(client, order)


def own(_client, _order):
    return x509_of(kept["source"].svid)


def watch(client, _order):
    client.stream_x509_contexts(
        lambda context: say({"event": "x509", "svids": [x509_of(svid) for svid in context.x509_svids]}),
        lambda error: say({"event": "x509-error", "code": str(error)}),
        retry_connect=False,
    )
    return "watching"


COMMANDS = {"x509": x509, "jwt": jwt, "validate": validate, "source": source, "keep": keep, "kept": own, "watch": watch}


def code_of(error):
    cause = error.__cause__
    return cause.code().name if isinstance(cause, grpc.RpcError) else ""


# The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
with WorkloadApiClient() as client:
    say({"event": "ready"})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say({"id": order["id"], "result": COMMANDS[order["command"]](client, order)})
        except (PySpiffeError, ValueError) as error:
            say({"id": order["id"], "error": str(error), "code": code_of(error)})
