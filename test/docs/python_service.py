# #region serve
from collections.abc import Awaitable, Callable

from stint_mcp import ToolUse, VerificationError, Verifier

SEARCH = ToolUse("search", actions=("read",), datatypes=("internal",))


async def serve(verifier: Verifier, token: str, work: Callable[[str], Awaitable[str]]) -> tuple[int, str]:
    """Status and answer of a search."""
    try:
        step = await verifier.verify(token)
        # Refuses what the step was not granted; cancels the work when the step ends.
        async with verifier.while_open(step, SEARCH):
            return 200, await work(step.step.run_id)
    except VerificationError as refused:
        return {"token": 401, "grant": 403, "verifier": 503}[refused.fault], refused.code
# #endregion
