"""Documents of a broker that are public, over HTTP."""

import asyncio
import io
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from socket import socket
from typing import Final, TypeVar, cast
from urllib.parse import urlsplit

from stint_mcp.clock import Clock

FETCH_MS_MAX: Final = 3_000
"""More than a small document takes; a request that waits for it does not wait longer."""
_HEAD_BYTES_MAX: Final = 64 * 1024
"""Of an answer; as many servers and clients have it."""

Value = TypeVar("Value")


class DocumentUnavailable(Exception):
    """Why a document could not be had. Its message is in words of ours alone."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class IssuerPlace:
    """Where an issuer's documents are, and who vouches for that."""

    url: str
    """https, or http to this machine; without a trailing slash."""
    tls: ssl.SSLContext | None
    """For https."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an issuer is asked."""

    path: str
    """With its first slash."""
    accept: str
    """Media type."""
    bytes_max: int
    within_ms: float = FETCH_MS_MAX
    body: bytes | None = None
    """JSON to be posted; ``None``: the path is got."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """Who asks; ``None``: nobody in particular."""


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """What it says."""

    status: int
    body: bytes
    date_ms: float | None
    """When it was made by the issuer's clock, rounded down: Unix milliseconds; ``None`` where it does not say."""


async def fetch_document(place: IssuerPlace, asked: Asked, clock: Clock) -> bytes:
    """Fetches a document of an issuer. Raises DocumentUnavailable."""
    answer = await ask_issuer(place, asked, clock)
    if answer.status != 200:
        raise DocumentUnavailable(f"{asked.path} was answered {answer.status}")
    return answer.body


async def ask_issuer(place: IssuerPlace, asked: Asked, clock: Clock) -> IssuerAnswer:
    """Asks an issuer, on a connection of its own. Raises DocumentUnavailable.

    No redirect is followed: it could lead to an address that only this machine can reach. No proxy is asked.
    """
    path = asked.path
    try:
        data = await _within(clock, asked.within_ms, _exchanged(place, asked))
    except (OSError, EOFError, ValueError) as error:
        # The texts of errors may hold what the other side wrote; their names do not.
        raise DocumentUnavailable(f"{path} can't be had: {type(error).__name__}") from None
    answer = HTTPResponse(_received(data), method="GET" if asked.body is None else "POST")
    try:
        answer.begin()
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise DocumentUnavailable(f"{path} came compressed")
        body = answer.read(asked.bytes_max + 1)
        if len(body) <= asked.bytes_max and answer.length not in (None, 0):
            raise DocumentUnavailable(f"{path} broke off")
    except (HTTPException, ValueError):
        raise DocumentUnavailable(f"{path} broke off") from None
    if len(body) > asked.bytes_max:
        raise DocumentUnavailable(f"{path} has more than {asked.bytes_max} bytes")
    return IssuerAnswer(answer.status, body, _date_ms_in(answer.headers))


async def _exchanged(place: IssuerPlace, asked: Asked) -> bytes:
    """All that is answered; no more of it than an answer of that size can have."""
    url = urlsplit(place.url)
    is_tls = url.scheme == "https"
    reader, writer = await asyncio.open_connection(
        url.hostname,
        url.port or (443 if is_tls else 80),
        ssl=(asked.tls or place.tls) if is_tls else None,
    )
    try:
        writer.write(_request(url.netloc, url.path, asked))
        await writer.drain()
        data = bytearray()
        # Whatever its chunks add, it is not more than it has.
        while len(data) <= 2 * asked.bytes_max + _HEAD_BYTES_MAX and (part := await reader.read(_HEAD_BYTES_MAX)):
            data += part
        return bytes(data)
    finally:
        writer.transport.abort()


def _request(host: str, below: str, asked: Asked) -> bytes:
    headers = {
        "host": host,
        "accept": asked.accept,
        "accept-encoding": "identity",
        # What a cache in between has would be too old.
        "cache-control": "no-cache",
        # The end of the connection is the end of the answer.
        "connection": "close",
    }
    if asked.body is not None:
        headers |= {"content-type": "application/json", "content-length": str(len(asked.body))}
    method = "GET" if asked.body is None else "POST"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {below}{asked.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + (asked.body or b"")


class _Received:
    """What the standard library's reader of answers wants of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _received(data: bytes) -> socket:
    return cast(socket, _Received(data))


def _date_ms_in(headers: Message) -> float | None:
    try:
        return parsedate_to_datetime(str(headers.get("date"))).timestamp() * 1_000
    except (ValueError, TypeError):
        return None


async def _within(clock: Clock, ms: float, wanted: Awaitable[Value]) -> Value:
    """Raises TimeoutError once so much time has passed."""
    getting = asyncio.ensure_future(wanted)
    waiting = asyncio.ensure_future(clock.sleep_ms(ms))
    try:
        await asyncio.wait((getting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            raise TimeoutError
        return getting.result()
    finally:
        getting.cancel()
        waiting.cancel()
        await asyncio.gather(getting, waiting, return_exceptions=True)
