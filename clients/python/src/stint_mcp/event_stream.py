"""The one stream of security events of a receiver's entry, asked for with its X.509-SVID. See SSF 1.0 section 8.1, RFC 8936 section 2."""

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from stint_mcp.clock import Clock
from stint_mcp.issuer_document import FETCH_MS_MAX, Asked, DocumentUnavailable, IssuerAnswer, IssuerPlace, ask_issuer
from stint_mcp.issuer_settings import PollRevocation, tls_to
from stint_mcp.security_event import SESSION_REVOKED
from stint_mcp.strict_json import JsonObject, parse_strict_object

_POLL_METHOD: Final = "urn:ietf:rfc:8936"
_STREAM: Final = "/ssf/stream"
_STATUS: Final = "/ssf/status"
_VERIFY: Final = "/ssf/verify"
_POLL: Final = "/ssf/poll"
_EVENTS_MAX: Final = 100
"""In one answer."""
_BYTES_MAX: Final = 1024 * 1024
"""A hundred events of two KiB, and room."""
_POLL_MS_MAX: Final = 11_000
"""The issuer waits eight seconds for something to tell."""


@dataclass(frozen=True, slots=True)
class EventStream:
    """As the issuer says it."""

    stream_id: str
    audience: str
    """``aud`` of its events."""
    audiences: tuple[str, ...]
    """What may be presented at one of these, its events tell of."""


class StreamUnusable(DocumentUnavailable):
    """Why a stream does not tell of every end, or did not meanwhile."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll was answered with."""

    sets: dict[str, str]
    """Security event tokens, by ``jti``."""
    more: bool
    date_ms: float
    """By the issuer's clock, rounded down: Unix milliseconds."""


class EventStreams:
    """Each of its methods raises DocumentUnavailable."""

    def __init__(self, place: IssuerPlace, revocation: PollRevocation, clock: Clock) -> None:
        self._place, self._clock, self._roots = place, clock, revocation.roots
        self._files = Path(revocation.certificate_file), Path(revocation.key_file)
        self._read: tuple[object, ssl.SSLContext] | None = None

    async def open(self) -> EventStream:
        """The stream that there is, or else one that is made."""
        listed = await self._ask(_STREAM)
        if listed.status != 200:
            raise _answered(_STREAM, listed.status)
        known = _list_in(listed.body)
        if len(known) > 0:
            return _stream_in(known[0])
        made = await self._ask(_STREAM, {"delivery": {"method": _POLL_METHOD}})
        if made.status != 201:
            raise _answered(_STREAM, made.status)
        return _stream_in(parse_strict_object(made.body))

    async def poll(self, acknowledged: Sequence[str], *, waits: bool) -> Polled:
        """Acknowledges what was received, and asks for what comes next.

        :param waits: whether the issuer may wait until there is something.
        """
        asked = {"maxEvents": _EVENTS_MAX, "returnImmediately": not waits, "ack": list(acknowledged)}
        answer = await self._ask(_POLL, asked, _POLL_MS_MAX)
        if answer.status == 404:
            raise StreamUnusable("the stream of this verifier is gone")
        if answer.status != 200:
            raise _answered(_POLL, answer.status)
        said = parse_strict_object(answer.body) or {}
        sets = said.get("sets")
        if answer.date_ms is None or not isinstance(sets, dict) or not all(isinstance(one, str) for one in sets.values()):
            raise DocumentUnavailable(f"{_POLL} was answered with no events")
        return Polled(sets, said.get("moreAvailable", False) is not False, answer.date_ms)

    async def check(self, stream: EventStream) -> None:
        """That the stream is as it was when it was opened, and that events are sent on it."""
        at = f"?stream_id={quote(stream.stream_id, safe='')}"
        status, now = await asyncio.gather(self._ask(_STATUS + at), self._ask(_STREAM + at))
        for answer in (status, now):
            if answer.status == 404:
                raise StreamUnusable("the stream of this verifier is gone")
            if answer.status != 200:
                raise _answered(_STREAM, answer.status)
        if (parse_strict_object(status.body) or {}).get("status") != "enabled":
            raise StreamUnusable("the stream of this verifier is not enabled")
        if not set(stream.audiences) <= set(_stream_in(parse_strict_object(now.body)).audiences):
            raise StreamUnusable("the stream of this verifier is for other audiences")

    async def verify(self, stream: EventStream, state: str) -> None:
        """Asks for an event with this text in it, which every receiver of the stream may be sent."""
        answer = await self._ask(_VERIFY, {"stream_id": stream.stream_id, "state": state})
        # Too soon after the last, whoever asked for that.
        if answer.status not in (204, 429):
            raise _answered(_VERIFY, answer.status)

    async def _ask(self, path: str, body: JsonObject | None = None, within_ms: float = FETCH_MS_MAX) -> IssuerAnswer:
        sent = None if body is None else json.dumps(body).encode()
        asked = Asked(path, "application/json", _BYTES_MAX, within_ms, sent, self._own_tls())
        return await ask_issuer(self._place, asked, self._clock)

    def _own_tls(self) -> ssl.SSLContext:
        """Shows who asks. Both files may be written anew at any time, and for a moment one of them alone."""
        try:
            stats = [path.stat() for path in self._files]
            seen = [(one.st_ino, one.st_mtime_ns, one.st_size) for one in stats]
            if self._read is None or self._read[0] != seen:
                context = tls_to(self._roots)
                context.minimum_version = ssl.TLSVersion.TLSv1_3
                # A key that is under a password would be asked for on the terminal.
                context.load_cert_chain(*self._files, password="")
                self._read = seen, context
            return self._read[1]
        except (OSError, ValueError):
            raise DocumentUnavailable("there is no X.509-SVID of this verifier to be had") from None


def _list_in(body: bytes) -> list[Any]:
    # A list is no object, so that it is read as a member of one.
    members = parse_strict_object(b'{"streams":' + body + b"}") or {}
    streams = members.get("streams")
    if not isinstance(streams, list):
        raise DocumentUnavailable(f"{_STREAM} was answered with no list of streams")
    return streams


def _stream_in(value: object) -> EventStream:
    members = value if isinstance(value, dict) else {}
    stream_id, audience, delivery = (members.get(name) for name in ("stream_id", "aud", "delivery"))
    audiences, events = _texts_of(members.get("audiences")), _texts_of(members.get("events_delivered"))
    if not isinstance(stream_id, str) or not isinstance(audience, str) or not isinstance(delivery, dict):
        raise _no_stream()
    if audiences is None or events is None:
        raise _no_stream()
    if delivery.get("method") != _POLL_METHOD:
        raise StreamUnusable("the stream of this verifier is for push")
    if SESSION_REVOKED not in events:
        raise StreamUnusable("the stream of this verifier is without session-revoked")
    return EventStream(stream_id, audience, audiences)


def _no_stream() -> StreamUnusable:
    return StreamUnusable(f"{_STREAM} was answered with no stream, or with one that does not say its audiences")


def _texts_of(value: object) -> tuple[str, ...] | None:
    is_whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return tuple(value) if is_whole and isinstance(value, list) else None


def _answered(path: str, status: int) -> DocumentUnavailable:
    return DocumentUnavailable(f"{path} was answered {status}")
