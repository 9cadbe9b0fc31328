"""Verifies a step's JWT-SVID in Python, for the documentation; run by examples.test.ts with a token on standard input."""

# region verify
import os

import jwt  # PyJWT, with cryptography

ISSUER = os.environ.get("ISSUER", "https://stint.example.org:8443")
RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")
keys = jwt.PyJWKClient(f"{ISSUER}/jwks.json", lifespan=60)


def step_of(token):
    """The claims of a JWT-SVID for this server; jwt.PyJWTError for anything else."""
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=ISSUER,
        audience=RESOURCE,
        leeway=5,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]},
    )
    if "cnf" in claims:
        raise jwt.InvalidTokenError("bound to a key whose possession is not checked here")
    return claims


def may(claims, tool, action, datatype):
    """Whether one element of the step's grant covers a call."""
    return any(
        element["identifier"] in (tool, "*") and action in element["actions"] and datatype in element["datatypes"]
        for element in claims.get("authorization_details", [])
        if element["type"] == "mcp_tool" and element.keys().isdisjoint({"max_calls", "definition_sha256"})  # for whoever asks the broker
    )
# endregion


if __name__ == "__main__":
    import sys

    for line in sys.stdin:
        try:
            claims = step_of(line.strip())
        except jwt.PyJWTError as refused:
            print(type(refused).__name__, flush=True)
        else:
            print(claims["sub"], may(claims, "search", "read", "internal"), may(claims, "erase", "write", "internal"), flush=True)
