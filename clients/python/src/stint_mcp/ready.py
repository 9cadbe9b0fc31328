"""What a verifier that is not ready waits for, in words."""

import os
import stat
from typing import Final, Literal

from stint_mcp.call_error import CallFailure
from stint_mcp.channel import socket_path_of
from stint_mcp.errors import StintError, invalid_field

_ENTRY: Final = "a verifier's entry that matches this process"
# Entries may come later.
_AWAITED: Final = {"NO_IDENTITY": _ENTRY, "NOT_ENTITLED": _ENTRY}


def lasting_fault(endpoint: str, failure: CallFailure | None) -> StintError | None:
    """What would be the same however long one waits."""
    if failure is None:
        return None
    # A cursor that the broker does not know is given up by itself.
    is_cursor = failure.metadata.get("field", "").endswith("cursor")
    if failure.reason == "AUDIENCE_INVALID" or (failure.reason == "INVALID_FIELD" and not is_cursor):
        return StintError(failure.reason, failure.message, failure.metadata)
    if failure.unreachable and _what_is_at(endpoint) == "something else":
        return invalid_field("endpoint", "a socket; what is at this path is none")
    return None


def awaited(endpoint: str, failure: CallFailure | None, *, connected: bool) -> str:
    """For people: what has to happen, and what was heard last."""
    path = socket_path_of(endpoint)
    if failure is None:
        if connected:
            return "revocations, keys and the time of the broker, which has answered"
        return f"an answer of the broker at {path}"
    if failure.reason is not None:
        mending = _AWAITED.get(failure.reason, "a broker that serves")
    elif not failure.unreachable:
        mending = "a broker that serves"
    else:
        where = "where there is nothing" if _what_is_at(endpoint) == "nothing" else "where none answers this user"
        mending = f"a broker at {path}, {where}"
    return f"{mending} ({failure.text})"


def _what_is_at(endpoint: str) -> Literal["a socket", "something else", "nothing"]:
    try:
        mode = os.stat(socket_path_of(endpoint)).st_mode
    except FileNotFoundError:
        return "nothing"
    except OSError:
        # A folder on the way is closed to this user; for all one knows it holds a socket.
        return "a socket"
    return "a socket" if stat.S_ISSOCK(mode) else "something else"
