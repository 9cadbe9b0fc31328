"""Whose each session is that a server has opened."""

from collections import OrderedDict
from typing import Final

from stint_mcp.verified_step import VerifiedStep

_SESSIONS_PER_STEP_MAX: Final = 100
"""Beyond, the step's idlest goes."""
_SESSIONS_MAX: Final = 10_000
"""Of all steps: some MiB."""
_ID_CHARACTERS_MAX: Final = 1_024
"""Servers make them of some 40. What has a longer id is not kept, and so is nobody's."""


class Sessions:
    """A session is its step's: one that is not known here is nobody's, for what was forgotten must not become another's."""

    def __init__(self) -> None:
        # By id, the SPIFFE ID of one attempt of a step; the idlest first.
        self._owners: OrderedDict[str, str] = OrderedDict()

    def is_of(self, session_id: str, step: VerifiedStep) -> bool:
        """Whether there is such a session of the caller's."""
        if self._owners.get(session_id) != step.spiffe_id:
            return False
        self._owners.move_to_end(session_id)
        return True

    def bind(self, session_id: str, step: VerifiedStep) -> None:
        """A server has opened it for the caller; one that is somebody's already stays theirs."""
        if session_id in self._owners or len(session_id) > _ID_CHARACTERS_MAX:
            return
        of_step = [one for one, owner in self._owners.items() if owner == step.spiffe_id]
        if len(of_step) >= _SESSIONS_PER_STEP_MAX:
            del self._owners[of_step[0]]
        if len(self._owners) >= _SESSIONS_MAX:
            self._owners.popitem(last=False)
        self._owners[session_id] = step.spiffe_id

    def forget(self, session_id: str) -> None:
        """It has ended, or the server does not know it any more."""
        self._owners.pop(session_id, None)
