"""Verifies Stint's JWT-SVIDs with PyJWT: the issuer's URL and the audience are all it has to be told.

What this can't do is hear of revocations: a token is honored until it expires, two minutes by default, also when its step
has ended. Whoever needs to know within milliseconds uses a verifier on the revocation feed.
"""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any

import jwt

#: How far clocks may differ.
LEEWAY_SECONDS = 5
#: A token that was withdrawn with its key is honored for this much longer at most.
KEYS_KEPT_SECONDS = 60
#: Without these a token would hold for ever, or everywhere.
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]


class StintTokens:
    def __init__(self, issuer: str, audience: str, cafile: str | None = None) -> None:
        """
        :param issuer: the broker's issuer URL, exactly as its tokens have it.
        :param audience: this server's own resource URI.
        :param cafile: PEM file of the CA to trust for the issuer, where it is not a public one.
        """
        context = ssl.create_default_context(cafile=cafile)
        self.issuer = issuer
        self.audience = audience
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10, context=context) as answer:
            discovered = json.load(answer)
        if discovered["issuer"] != issuer:
            raise ValueError("the document found at the issuer's URL is another issuer's")
        self._keys = jwt.PyJWKClient(discovered["jwks_uri"], lifespan=KEYS_KEPT_SECONDS, ssl_context=context)

    def verify(self, token: str) -> dict[str, Any]:
        """The token's claims; jwt.PyJWTError for one that is not to be believed."""
        key = self._keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            # Never from the token's own header.
            algorithms=["ES256"],
            audience=self.audience,
            issuer=self.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
        if "cnf" in claims:
            raise jwt.InvalidTokenError("bound to a key whose possession is not checked here")
        return claims


def permits(claims: dict[str, Any], tool: str, action: str, datatype: str) -> bool:
    """Whether one element of the step's grant covers the call. The audience was checked before."""
    return any(
        element["identifier"] in (tool, "*") and action in element["actions"] and datatype in element["datatypes"]
        for element in claims.get("authorization_details", [])
        if element["type"] == "mcp_tool" and element.keys().isdisjoint({"max_calls", "definition_sha256"})  # for whoever asks the broker
    )
