"""Asks an ASGI application as a server would."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from stint_mcp.asgi import Application, Message


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    began: asyncio.Event = field(default_factory=asyncio.Event)


async def ask(
    app: Application,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes | None = None,
    answer: Answer | None = None,
) -> Answer:
    got = answer or Answer()
    parts: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def receive() -> Message:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            got.status = message["status"]
            got.headers = {name.decode(): value.decode() for name, value in message.get("headers", ())}
        else:
            got.body += message.get("body", b"")
            got.is_whole = not message.get("more_body", False)
            got.began.set()

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await app(scope, receive, send)
    return got
