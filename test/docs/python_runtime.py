# #region step
import os
from collections.abc import Awaitable, Callable

from stint_mcp import GrantElement
from stint_mcp.runtime import Runtime

RESOURCE = os.environ.get("RESOURCE", "https://mcp.example.org/mcp")


async def research(run_id: str, ask: Callable[[dict[str, str]], Awaitable[str]]) -> str:
    """One step of a run: what is asked for carries its token, and is worth nothing once this returns."""
    grant = [GrantElement((RESOURCE,), "search", ("read",), ("internal",))]
    async with Runtime("researcher") as runtime, runtime.step(run_id, "search", grant) as step:
        token = await step.jwt_svid(RESOURCE)  # ask for it before each request: it is renewed in time
        return await ask({"authorization": token.authorization()})
# #endregion
