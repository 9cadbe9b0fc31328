"""What a step is shown of a server: the tools that it may call."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from stint_mcp.guard.headers import Headers

_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of an answer in JSON, or of one event, which is held as a whole to be looked at; eight times the largest request."""

_END_OF_LINE: Final = re.compile("\r\n|\n|\r")
_EMPTY_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_BEGUN_END_MAX: Final = 3
"""An end of an event that has begun has at most one character less than the longest end."""


class Unreadable(Exception):
    """An answer that can't be read, and so must not be passed on."""


class ToolsSeen:
    """Changes the answer to ``tools/list`` as it passes.

    :param is_seen: whether the step may call a tool.
    :param of_any: of results that may be another method's, as a session's stream repeats them.
    :param modern: whether the request is of MCP 2026-07-28 or later.
    """

    def __init__(self, is_seen: Callable[[str], bool], *, of_any: bool, modern: bool) -> None:
        self._is_seen, self._of_any, self._modern = is_seen, of_any, modern
        self._is_events = self._is_passed_on = False
        self._held = bytearray()
        self._from = 0

    def begin(self, status: int, headers: Headers) -> bool:
        """Whether nothing of the answer is passed on before it is whole. Raises Unreadable."""
        self._is_events = headers.is_event_stream
        is_readable = headers.is_json or self._is_events
        # Of what was no success no client reads a result; 202 and 204 have none.
        self._is_passed_on = not is_readable and (status >= 400 or status in (202, 204))
        is_encoded = headers.get("content-encoding") is not None
        if is_encoded or not (is_readable or self._is_passed_on):
            raise Unreadable
        return not self._is_events and not self._is_passed_on

    def take(self, data: bytes) -> bytes:
        """What can be passed on by now. Raises Unreadable."""
        if self._is_passed_on:
            return data
        self._held += data
        passed = bytearray()
        if self._is_events:
            done = 0
            # Of an end that is cut in two the rest is an empty line before the next event, which says nothing.
            for end in _EMPTY_LINE.finditer(self._held, self._from):
                passed += self._event(bytes(self._held[done : end.start()]))
                done = end.end()
            del self._held[:done]
            self._from = max(0, len(self._held) - _BEGUN_END_MAX)
        if len(self._held) > _BYTES_MAX:
            raise Unreadable
        return bytes(passed)

    def rest(self) -> bytes:
        """What is left when the answer has ended: of an event that its end does not complete, nothing. Raises Unreadable."""
        if self._is_events or self._is_passed_on or len(self._held) == 0:
            return b""
        return self._message(bytes(self._held))

    def _event(self, event: bytes) -> bytes:
        lines = [line for line in _END_OF_LINE.split(event.decode("utf-8", "replace")) if line != ""]
        data = [line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:")]
        others = [line for line in lines if not line.startswith("data:")]
        # An event that only says from where to resume has none, or an empty one.
        if "".join(data) != "":
            data = [self._message("\n".join(data).encode()).decode()]
        return "\n".join([*others, *(f"data: {line}" for line in data), "", ""]).encode()

    def _message(self, data: bytes) -> bytes:
        try:
            message = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Unreadable from None
        # A batch, which some clients still read.
        if not isinstance(message, dict):
            raise Unreadable
        result = message.get("result")
        if not isinstance(result, dict) or not self._concerns(result):
            return data
        return json.dumps({**message, "result": self._seen(result)}, separators=(",", ":")).encode()

    def _concerns(self, result: dict[str, Any]) -> bool:
        """A call's result could have anything beside its content."""
        return not self._of_any or (isinstance(result.get("tools"), list) and "content" not in result)

    def _seen(self, result: dict[str, Any]) -> dict[str, Any]:
        listed = result.get("tools")
        named = [tool for tool in listed if isinstance(tool, dict)] if isinstance(listed, list) else []
        seen = [tool for tool in named if isinstance(name := tool.get("name"), str) and self._is_seen(name)]
        # A cache must not give them to another, who may call others.
        is_cached = self._modern or "cacheScope" in result
        return {**result, "tools": seen, **({"cacheScope": "private"} if is_cached else {})}


def _refuse(_constant: str) -> NoReturn:
    raise ValueError
