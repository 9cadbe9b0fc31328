"""An MCP server of the official Python SDK that takes Stint's JWT-SVIDs and enforces the grant in them.

Prints its resource URI, which is the audience to ask tokens for, and serves until its standard input is closed.
"""

import os
import socket
import sys
import threading

import anyio.to_thread
import jwt
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver.exceptions import ToolError

from stint_tokens import StintTokens, permits

issuer, *cafile = sys.argv[1:]
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
# Whoever reads the URI below may connect at once, and waits until the server is up.
listener.listen()
resource = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
tokens = StintTokens(issuer, resource, *cafile)


class StepTokens:
    """What the SDK asks of a token verifier."""

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            # It may have to fetch keys, which must not hold up everyone else.
            claims = await anyio.to_thread.run_sync(tokens.verify, token)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource=resource,
            subject=claims["sub"],
            claims=claims,
        )


server = MCPServer(
    "search",
    token_verifier=StepTokens(),
    auth=AuthSettings(issuer_url=issuer, resource_server_url=resource, validate_token_resource=True),
)


def step_that_may(tool: str, action: str, datatype: str) -> str:
    """The SPIFFE ID of the calling step; ToolError where its grant does not cover the call."""
    caller = get_access_token()
    if caller is None or caller.claims is None or not permits(caller.claims, tool, action, datatype):
        raise ToolError("the step's grant does not cover this call")
    return str(caller.subject)


@server.tool()
def search(query: str) -> str:
    step = step_that_may("search", "read", "internal")
    return f"{step} searched for {query}"


@server.tool()
def delete(document: str) -> str:
    step = step_that_may("delete", "write", "internal")
    return f"{step} deleted {document}"


def leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=leave_with_parent, daemon=True).start()
print(resource, flush=True)
application = server.streamable_http_app(stateless_http=True, json_response=True)
uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])
