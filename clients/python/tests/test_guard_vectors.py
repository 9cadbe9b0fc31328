"""The cases of test/vectors/guard.json, which TypeScript runs too: status, headers and body of what a client is told."""

import json
from typing import Any

import pytest

from asgi_client import ask
from guarded import VECTORS, guarded
from stint_mcp.asgi import Receive, Scope, Send

SHOWN_HEADERS = ("www-authenticate", "content-type", "cache-control", "retry-after", "allow")
SERVED = {"jsonrpc": "2.0", "id": 7, "result": {"served": True}}


async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(SERVED).encode()})


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["name"] for case in VECTORS["cases"]])
async def test_a_client_is_told_the_same_as_everywhere(case: dict[str, Any]) -> None:
    request = case["request"]
    headers = [(name, value) for name, value in request["headers"]]
    async with guarded(app, case["feed"]) as scene:
        body = request["body"].encode() if "body" in request else None
        answer = await ask(scene.guard, request["method"], request["path"], headers, body)
    shown = {name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers}
    said = {"status": answer.status, "headers": shown, "body": json.loads(answer.body) if answer.body else None}
    assert said == case["expected"]
