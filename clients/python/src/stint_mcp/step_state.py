"""Words for the state of a step."""

from typing import Final

from stint_mcp.errors import StintError
from stint_mcp.gen.stint.v1.types_pb2 import StepState

_PREFIX: Final = "STEP_STATE_"


def name_of(state: int) -> str:
    """The state's name; ``UNKNOWN`` for one of a later version."""
    known = StepState.DESCRIPTOR.values_by_number.get(state)
    return "UNKNOWN" if known is None else known.name.removeprefix(_PREFIX)


def step_closed(state: str) -> StintError:
    """The step has ended."""
    return StintError("STEP_CLOSED", f"the step has ended: {state}", {"state": state})
