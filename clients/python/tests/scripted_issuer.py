"""A server on this machine that has the documents of a broker, as the test tells it; what it has not is answered with 404."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Served = Answer | Callable[[Request], Awaitable[Answer]]


class ScriptedIssuer:
    def __init__(self, documents: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self.url = ""
        self._served: dict[str, Served] = {path: Answer(text.encode()) for path, text in documents.items()}
        self._asked: Counter[str] = Counter()
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def serve(self, path: str, served: Served) -> None:
        """Replaces what is at a path."""
        self._served[path] = served

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return self._asked[path]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{port}"

    def stop(self) -> None:
        """Breaks every connection, and listens no more."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            request = await _request_of(reader)
            self._asked[request.path] += 1
            served = self._served.get(request.path, Answer(status=404))
            answer = served if isinstance(served, Answer) else await served(request)
            headers = {"content-length": str(len(answer.body)), **answer.headers}
            lines = [f"HTTP/1.1 {answer.status} said", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _request_of(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for line in head[1:] if line != "" for name, value in [line.split(": ", 1)]}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def scripted_issuer(
    documents: Mapping[str, str], tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedIssuer]:
    issuer = ScriptedIssuer(documents, tls)
    await issuer.start()
    try:
        yield issuer
    finally:
        issuer.stop()
