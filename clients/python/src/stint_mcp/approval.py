"""A step that policies hold back until an operator approves it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from stint_mcp.errors import StintError
from stint_mcp.gen.stint.v1.steps_pb2 import HoldResponse
from stint_mcp.gen.stint.v1.types_pb2 import Step, StepState
from stint_mcp.step_state import name_of, step_closed

_ASK_AGAIN_SECONDS = 0.25
"""Well within the time that people take, and long enough not to keep busy a broker that is starting."""
_MAY_PASS = frozenset({"UNREACHABLE", "BROKER_FAILED", "NOT_SERVING"})
"""A broken connection shows in several ways; only what the broker gave another reason for is its answer."""


async def approved_step(
    step: Step,
    hold: Callable[[str], AsyncIterator[HoldResponse]],
    take_back: Callable[[str], Awaitable[object]],
    timeout_seconds: float | None,
) -> Step:
    """Waits until a step that waits for approval is open. A wait that is given up takes the request back.

    :param hold: follows a step by its id; raises StintError.
    :param take_back: closes the step as CANCELLED.
    :param timeout_seconds: ``None``: as long as the broker lets it wait.
    :raises StintError: STEP_CLOSED (``metadata["state"]``; of a REFUSED one also ``cause``: ``operator``, or ``expiry`` where nobody
        approved it in time); APPROVAL_TIMEOUT; what the broker refuses to tell whoever waits.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            answered = await _answered(step.step_id, hold)
    except BaseException as error:
        # Nobody is to approve what nobody waits for any more. If that can't be said, the broker refuses it in time.
        with suppress(StintError):
            await asyncio.shield(asyncio.ensure_future(take_back(step.step_id)))
        if isinstance(error, TimeoutError):
            message = f"step {step.step_id} was not approved within {timeout_seconds} s"
            raise StintError("APPROVAL_TIMEOUT", message) from None
        raise
    if answered.state != StepState.STEP_STATE_OPEN:
        raise _not_approved(answered)
    return answered


async def _answered(step_id: str, hold: Callable[[str], AsyncIterator[HoldResponse]]) -> Step:
    while True:
        try:
            async for held in hold(step_id):
                if held.step.state != StepState.STEP_STATE_PENDING_APPROVAL:
                    return held.step
        except StintError as error:
            if error.code not in _MAY_PASS:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def _not_approved(step: Step) -> StintError:
    """Why a step that waited is closed. Of one that was refused, whoever asked is told by whom, and in which words."""
    if step.state != StepState.STEP_STATE_REFUSED:
        return step_closed(name_of(step.state))
    cause, how = "expiry", "was not approved in time"
    if step.approval.HasField("answer"):
        cause, how = "operator", f"was refused by an operator: {step.approval.answer.reason}"
    return StintError("STEP_CLOSED", f"step {step.step_id} {how}", {"state": "REFUSED", "cause": cause})
