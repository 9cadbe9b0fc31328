# #region server
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastmcp import FastMCP
from stint_mcp import ToolNeeds, Verifier
from stint_mcp.fastmcp import StepGuard, StepTokenVerifier, step_of_call

RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")
verifier = Verifier([RESOURCE])  # SPIFFE_ENDPOINT_SOCKET says where the broker is


@asynccontextmanager
async def following(_server: FastMCP[None]) -> AsyncIterator[None]:
    async with verifier:
        await verifier.ready()
        yield


# What calling a tool takes. A tool that is not named here is refused.
tools = {"search": ToolNeeds(actions=["read"], datatypes=["internal"])}
mcp: FastMCP[None] = FastMCP(
    "library",
    auth=StepTokenVerifier(verifier, RESOURCE),
    middleware=[StepGuard(verifier, RESOURCE, tools)],
    lifespan=following,
)


@mcp.tool
async def search(query: str) -> str:  # cancelled when its step ends
    step = step_of_call()
    return f"{query}, for {step.step.run_id}/{step.step.step}" if step is not None else query


app = mcp.http_app(path="/mcp")
# #endregion
