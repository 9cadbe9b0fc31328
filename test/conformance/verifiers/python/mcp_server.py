"""An MCP server of the official SDK, as the guide says or by its defaults; run by python-verifiers.test.ts."""

# region verify
import os

import anyio.to_thread
import jwt  # PyJWT, with cryptography
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

ISSUER = os.environ.get("ISSUER", "https://stint.example.org:8443")
RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")
keys = jwt.PyJWKClient(f"{ISSUER}/jwks.json", lifespan=60)


class StepTokens:
    """What the SDK asks who is calling."""

    def claims_of(self, token):
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

    async def verify_token(self, token):
        try:
            # It may have to fetch keys, which must not hold up everyone else.
            claims = await anyio.to_thread.run_sync(self.claims_of, token)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            subject=claims["sub"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource=RESOURCE,  # the one that was checked: `aud` is a list, and this is a text
            claims=claims,
        )


mcp = MCPServer(
    "library",
    token_verifier=StepTokens(),
    # Off if not set; then nobody but PyJWT above looks for whom a token is.
    auth=AuthSettings(issuer_url=ISSUER, resource_server_url=RESOURCE, validate_token_resource=True),
)
# endregion


class Unchecked(StepTokens):
    """Looks at the signature alone, so that what else is looked at is the SDK's doing."""

    def claims_of(self, token):
        options = {"verify_exp": False, "verify_aud": False}
        return jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["ES256"], options=options)

    async def verify_token(self, token):
        access = await super().verify_token(token)
        return access and access.model_copy(update={"resource": access.claims["aud"][0]})


if __name__ == "__main__":
    from serving import serve

    mode = os.environ["MODE"]
    if mode != "guide":
        told = mode == "defaults"
        settings = AuthSettings(issuer_url=ISSUER, resource_server_url=RESOURCE, validate_token_resource=told)
        mcp = MCPServer("library", token_verifier=Unchecked(), auth=settings)
    serve(mcp.streamable_http_app(stateless_http=True, json_response=True), RESOURCE)
