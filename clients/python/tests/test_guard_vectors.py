"""The cases of test/vectors/guard.json, which TypeScript runs too: status, headers and body of what a client is told."""

import json
from typing import Any

import pytest

from asgi_client import Answer, ask
from guarded import VECTORS, guarded
from stint_mcp.asgi import Application, Receive, Scope, Send

SHOWN_HEADERS = ("www-authenticate", "content-type", "cache-control", "retry-after", "allow")
SERVED = {"jsonrpc": "2.0", "id": 7, "result": {"served": True}}


def app_of(case: dict[str, Any]) -> Application:
    served = case.get("served", {"headers": {"content-type": "application/json"}, "body": json.dumps(SERVED)})

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in served["headers"].items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": served["body"].encode()})

    return app


def said_in(answer: Answer) -> object:
    if answer.headers.get("content-type") != "text/event-stream":
        return json.loads(answer.body) if answer.body else None
    events = [event.split("\n") for event in answer.body.decode().split("\n\n")]
    data = ["\n".join(line[5:].strip() for line in lines if line.startswith("data:")) for lines in events]
    return [json.loads(one) for one in data if one != ""]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["name"] for case in VECTORS["cases"]])
async def test_a_client_is_told_the_same_as_everywhere(case: dict[str, Any]) -> None:
    request = case["request"]
    headers = [(name, value) for name, value in request["headers"]]
    async with guarded(app_of(case), case["feed"], dpop=case.get("proof") == "dpop") as scene:
        body = request["body"].encode() if "body" in request else None
        for _ in range(2 if case.get("again", False) else 1):
            answer = await ask(scene.guard, request["method"], request["path"], headers, body)
    shown = {name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers}
    said = {"status": answer.status, "headers": shown, "body": said_in(answer)}
    assert said == case["expected"]
