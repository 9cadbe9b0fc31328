# #region server
import os

from mcp.server import MCPServer
from stint_mcp import ToolNeeds, Verifier
from stint_mcp.asgi import StintGuard, current_step

RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")
server = MCPServer("library")


@server.tool()
async def search(query: str) -> str:
    step = current_step()
    return f"{query}, for {step.step.run_id}/{step.step.step}" if step is not None else query


app = StintGuard(
    server.streamable_http_app(stateless_http=True, json_response=True),
    verifier=Verifier([RESOURCE]),  # SPIFFE_ENDPOINT_SOCKET says where the broker is
    resource=RESOURCE,
    issuer="https://stint.example.org:8443",
    # What calling a tool takes. A tool that is not named here is refused.
    tools={"search": ToolNeeds(actions=["read"], datatypes=["internal"])},
)
# #endregion
