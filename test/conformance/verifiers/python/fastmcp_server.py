"""An MCP server with FastMCP, as the guide says or by its defaults; run by python-verifiers.test.ts."""

# region verify
import os

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

ISSUER = os.environ.get("ISSUER", "https://stint.example.org:8443")
RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")


class StepTokens(JWTVerifier):
    """Steps' JWT-SVIDs, and none that is bound to a key: whether the caller has it is not checked here."""

    async def load_access_token(self, token):
        access = await super().load_access_token(token)
        return None if access is None or "cnf" in access.claims else access


auth = StepTokens(
    jwks_uri=f"{ISSUER}/jwks.json",
    issuer=ISSUER,
    audience=RESOURCE,
    algorithm="ES256",  # without it, RS256: every token is refused, and why is logged at DEBUG alone
)
mcp = FastMCP("library", auth=auth)
# endregion

# region grant
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_access_token


def require(tool, action, datatype):
    """The SPIFFE ID of the calling step; ToolError where its grant does not cover the call."""
    claims = get_access_token().claims
    for element in claims.get("authorization_details", []):
        if (
            element["type"] == "mcp_tool"
            and element["identifier"] in (tool, "*")
            and action in element["actions"]
            and datatype in element["datatypes"]
            and element.keys().isdisjoint({"max_calls", "definition_sha256"})  # for whoever asks the broker
        ):
            return claims["sub"]
    raise ToolError("the step's grant does not cover this call")


@mcp.tool
def search(query: str) -> str:
    return f"{require('search', 'read', 'internal')} searched for {query}"


@mcp.tool
def delete(document: str) -> str:
    return f"{require('delete', 'write', 'internal')} deleted {document}"
# endregion


if __name__ == "__main__":
    from serving import serve

    mode = os.environ["MODE"]
    if mode != "guide":
        told = {"issuer": ISSUER} if mode == "no audience" else {"issuer": ISSUER, "audience": RESOURCE}
        algorithm = {} if "NO_ALGORITHM" in os.environ else {"algorithm": "ES256"}
        mcp.auth = JWTVerifier(jwks_uri=f"{ISSUER}/jwks.json", **told, **algorithm)
    serve(mcp.http_app(stateless_http=True, json_response=True), RESOURCE)
