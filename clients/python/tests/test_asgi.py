"""The guard beside the shared cases: what the application gets, and what becomes of a call whose step ends."""

import asyncio
import json
from typing import Any

import pytest

from asgi_client import Answer, ask
from guarded import BEARER, RESOURCE, TOOLS, VECTORS, call_of, guarded
from stint_mcp import StintError, ToolNeeds, VerificationError, Verifier
from stint_mcp.asgi import Message, Receive, Scope, Send, StintGuard, current_step
from stint_mcp.gen.stint.v1.authorizations_pb2 import CheckResponse
from stint_mcp.gen.stint.v1.history_pb2 import Effect
from stint_mcp.guard.headers import Headers
from stint_mcp.guard.tools_seen import ToolsSeen

HEADERS = [("authorization", BEARER), ("content-type", "application/json")]
PATH = "/tools"


async def answer_with(send: Send, content_type: str, body: bytes, more: bool = False, session: str | None = None) -> None:
    fields = [(b"content-type", content_type.encode())]
    if session is not None:
        fields.append((b"mcp-session-id", session.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def test_the_application_gets_the_message_and_the_step_and_no_token() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, await receive(), current_step()])
        await answer_with(send, "application/json", b"{}")

    async with guarded(app) as scene:
        answer = await ask(scene.guard, "POST", PATH, [*HEADERS, ("dpop", "x"), ("content-length", "1")], call_of("search"))
    assert answer.status == 200
    scope, request, step = seen
    assert dict(scope["headers"]) == {b"content-type": b"application/json"}
    assert BEARER.split(" ")[1] not in repr(scope)
    assert json.loads(request["body"])["params"]["name"] == "search"
    assert step.step.run_id == "r1"
    assert scope["state"]["stint_step"] is step
    assert current_step() is None


async def test_a_call_whose_step_ends_is_stopped_and_refused_in_its_place() -> None:
    entered, stopped = asyncio.Event(), asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with guarded(app) as scene:
        asking = asyncio.create_task(ask(scene.guard, "POST", PATH, HEADERS, call_of("search")))
        await entered.wait()
        await scene.deny_step()
        answer = await asking
    assert stopped.is_set()
    assert answer.status == 401
    error = json.loads(answer.body)
    assert error["id"] == 7
    assert error["error"]["data"] == {"reason": "STEP_CLOSED", "state": "COMPLETED"}
    assert 'error_description="STEP_CLOSED: the step has ended"' in answer.headers["www-authenticate"]


async def test_a_stream_of_events_ends_with_one_that_says_why() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with(send, "text/event-stream", b"data: {}", more=True)
        await asyncio.Event().wait()

    async with guarded(app) as scene:
        answer = Answer()
        asking = asyncio.create_task(ask(scene.guard, "POST", PATH, HEADERS, call_of("search"), answer))
        await answer.began.wait()
        await scene.deny_step()
        await asking
    before, event, *rest = answer.body.decode().split("\n\n")
    assert (before, rest, answer.is_whole) == ("data: {}", [""], True)
    assert event.startswith("event: message\ndata: ")
    assert json.loads(event.split("data: ")[1])["error"]["data"]["reason"] == "STEP_CLOSED"


async def test_a_session_is_known_as_soon_as_its_client_knows_it() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with(send, "text/event-stream", b"data: {}\n\n", more=True, session="s1")
        await asyncio.Event().wait()

    async with guarded(app) as scene:
        answers = [Answer(), Answer()]
        asking = [asyncio.create_task(ask(scene.guard, "POST", PATH, HEADERS, call_of("search"), answers[0]))]
        await answers[0].began.wait()
        headers = [*HEADERS, ("mcp-session-id", "s1")]
        asking.append(asyncio.create_task(ask(scene.guard, "GET", PATH, headers, None, answers[1])))
        await answers[1].began.wait()
        assert answers[1].status == 200
        await scene.deny_step()
        await asyncio.gather(*asking)


async def test_a_stream_of_a_session_ends_without_a_word_and_is_refused_when_it_comes_again() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await answer_with(send, "application/json", b"{}", session="s1")
            return
        await answer_with(send, "text/event-stream", b"data: {}\n\n", more=True)
        await asyncio.Event().wait()

    async with guarded(app) as scene:
        headers = [*HEADERS, ("mcp-session-id", "s1")]
        await ask(scene.guard, "POST", PATH, HEADERS, call_of("search"))
        answer = Answer()
        asking = asyncio.create_task(ask(scene.guard, "GET", PATH, headers, None, answer))
        await answer.began.wait()
        await scene.deny_step()
        await asking
        assert (answer.body, answer.is_whole) == (b"data: {}\n\n", True)
        assert (await ask(scene.guard, "GET", PATH, headers)).status == 401


async def test_a_body_that_was_cut_off_is_no_message() -> None:
    sent: list[Message] = []
    parts: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": call_of("search"), "more_body": True},
    ]

    async def receive() -> Message:
        return parts.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async with guarded(none) as scene:
        headers = [(name.encode(), value.encode()) for name, value in HEADERS]
        await scene.guard({"type": "http", "method": "POST", "path": PATH, "headers": headers}, receive, send)
    assert sent[0]["status"] == 400


async def test_the_metadata_is_found_by_the_path_as_it_was_sent() -> None:
    async with guarded(none) as scene:
        for raw, status in ((b"/.well-known/oauth-protected-resource/tools?x", 200), (b"/.well-known/oauth-protected-resource/%74ools", 401)):
            answer = Answer()

            async def receive() -> Message:
                return {"type": "http.request"}

            async def send(message: Message, answer: Answer = answer) -> None:
                answer.status = message.get("status", answer.status)

            path = "/.well-known/oauth-protected-resource/tools"
            await scene.guard({"type": "http", "method": "GET", "path": path, "raw_path": raw, "headers": []}, receive, send)
            assert answer.status == status


async def test_a_call_of_high_risk_is_the_brokers_to_allow() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with(send, "application/json", b"{}")

    async with guarded(app, asked_tools=["search"]) as scene:
        scene.broker.answer = CheckResponse(effect=Effect.EFFECT_ALLOW, decision_id="dec_1")
        assert (await ask(scene.guard, "POST", PATH, HEADERS, call_of("search"))).status == 200
        [asked] = scene.broker.checks
        assert (asked.jwt_svid, asked.location, asked.tool) == (BEARER.split(" ")[1], RESOURCE, "search")
        assert (list(asked.actions), list(asked.datatypes)) == (["read"], ["internal"])

        metadata = {"approval": "approver"}
        scene.broker.answer = CheckResponse(
            effect=Effect.EFFECT_DENY, decision_id="dec_2", reason="POLICY_DENIED", message='not "now"', metadata=metadata
        )
        answer = await ask(scene.guard, "POST", PATH, HEADERS, call_of("search"))
    assert answer.status == 403
    assert "POLICY_DENIED: not 'now' (refused: search at " in answer.headers["www-authenticate"]
    assert "; decision: dec_2; approval: approver)" in answer.headers["www-authenticate"]
    error = json.loads(answer.body)["error"]
    assert error["message"] == "not 'now'"
    told = {name: error["data"][name] for name in ("reason", "decision_id", "approval", "authorization")}
    assert told == {
        "reason": "POLICY_DENIED",
        "decision_id": "dec_2",
        "approval": "approver",
        "authorization": {"reason": "insufficient_authorization", "authorizationContextId": "dec_2"},
    }


async def test_another_answer_that_has_begun_is_broken_off() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with(send, "application/json", b'{"half":', more=True)
        await asyncio.Event().wait()

    async with guarded(app) as scene:
        answer = Answer()
        asking = asyncio.create_task(ask(scene.guard, "POST", PATH, HEADERS, call_of("search"), answer))
        await answer.began.wait()
        await scene.deny_step()
        with pytest.raises(VerificationError):
            await asking
    assert (answer.body, answer.is_whole) == (b'{"half":', False)


async def test_a_call_does_not_go_on_when_nothing_is_known_of_its_step_for_too_long() -> None:
    entered = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        entered.set()
        await asyncio.Event().wait()

    async with guarded(app) as scene:
        asking = asyncio.create_task(ask(scene.guard, "POST", PATH, HEADERS, call_of("write")))
        await entered.wait()
        # The call's own turn to look at it comes when the clock has moved.
        await asyncio.sleep(0)
        scene.clock.advance(15_001)
        answer = await asking
    assert (answer.status, json.loads(answer.body)["error"]["data"]["reason"]) == (503, "STALE")


async def test_an_error_of_the_application_is_its_own() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise VerificationError("REVOKED", "of another verifier")

    async with guarded(app) as scene:
        with pytest.raises(VerificationError, match="another"):
            await ask(scene.guard, "POST", PATH, HEADERS, call_of("search"))


async def test_a_session_is_the_steps_that_opened_it() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await answer_with(send, "application/json", b"{}", session="s1")

    other = next(
        case["request"]["headers"][0][1]
        for case in VECTORS["cases"]
        if case["name"] == "a step of another run"
    )
    session = ("mcp-session-id", "s1")
    async with guarded(app) as scene:

        async def ask_with(method: str, *headers: tuple[str, str]) -> Answer:
            return await ask(scene.guard, method, PATH, [*HEADERS, *headers], call_of("search"))

        assert (await ask_with("POST")).status == 200
        assert (await ask_with("POST", session)).status == 200
        assert (await ask_with("GET", session)).status == 200
        theirs = [("authorization", other), ("content-type", "application/json"), session]
        for method in ("POST", "GET", "DELETE"):
            answer = await ask(scene.guard, method, PATH, theirs, call_of("search"))
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, -32001)
        # A response is one to what the server has asked in the session.
        response = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode()
        assert (await ask(scene.guard, "POST", PATH, [*HEADERS, session], response)).status == 200
        assert (await ask_with("DELETE", session)).status == 200
        assert (await ask_with("GET", session)).status == 404
    assert seen == ["POST", "POST", "GET", "POST", "DELETE"]


LISTED = {"jsonrpc": "2.0", "id": 7, "result": {"tools": [{"name": "search"}, {"name": "unheard"}]}}
LIST = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).encode()


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([(b"content-type", b"text/plain")], json.dumps(LISTED)),
        ([(b"content-type", b"application/json")], "{"),
        ([(b"content-type", b"application/json")], json.dumps([LISTED])),
        ([(b"content-type", b"application/json"), (b"content-encoding", b"gzip")], json.dumps(LISTED)),
    ],
)
async def test_a_list_of_tools_that_can_not_be_read_is_not_passed_on(fields: list[tuple[bytes, bytes]], body: str) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert b"accept-encoding" not in dict(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body.encode()})

    async with guarded(app) as scene:
        answer = await ask(scene.guard, "POST", PATH, [*HEADERS, ("accept-encoding", "gzip")], LIST)
    assert (answer.status, json.loads(answer.body)["error"]["data"]["reason"]) == (500, "INTERNAL")
    assert b"unheard" not in answer.body


async def test_a_list_of_tools_that_a_sessions_stream_repeats_is_the_steps_too() -> None:
    call = {"jsonrpc": "2.0", "id": 8, "result": {"content": [], "tools": [{"name": "unheard"}]}}

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await answer_with(send, "application/json", b"{}", session="s1")
            return
        events = "".join(f"data: {json.dumps(one)}\r\n\r\n" for one in (LISTED, call)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for at in range(0, len(events), 5):
            await send({"type": "http.response.body", "body": events[at : at + 5], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with guarded(app) as scene:
        await ask(scene.guard, "POST", PATH, HEADERS, call_of("search"))
        answer = await ask(scene.guard, "GET", PATH, [*HEADERS, ("mcp-session-id", "s1")])
    first, second, rest = answer.body.decode().split("\n\n")
    assert json.loads(first.removeprefix("data: "))["result"] == {"tools": [{"name": "search"}]}
    assert (json.loads(second.removeprefix("data: ")), rest) == (call, "")


def test_events_are_whole_however_they_come() -> None:
    text = b'id: 1\r\ndata: {"result":{"tools":[{"name":"a"}]}}\r\n\r\n: x\n\ndata: {"result":{"tools":[]}}\r\r'
    for cut in range(len(text)):
        seen = ToolsSeen(lambda _tool: False, of_any=False, modern=False)
        seen.begin(200, Headers([(b"content-type", b"text/event-stream")]))
        events = (seen.take(text[:cut]) + seen.take(text[cut:])).split(b"\n\n")
        assert events == [b'id: 1\ndata: {"result":{"tools":[]}}', b": x", b'data: {"result":{"tools":[]}}', b""], cut


async def test_the_verifier_lives_as_long_as_the_application() -> None:
    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()

    async with guarded(app) as scene:

        async def receive() -> Message:
            assert scene.verifier.status().connected
            return {"type": "lifespan.shutdown"}

        async def send(_message: Message) -> None:
            pytest.fail("nothing is said")

        await scene.guard({"type": "lifespan"}, receive, send)
        assert scene.verifier.status().refusal == "NOT_READY"


async def test_what_is_no_http_is_refused() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pytest.fail("nothing gets there")

    async with guarded(app) as scene:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await scene.guard({"type": "websocket", "path": PATH, "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def none(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pytest.fail("nothing gets there")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"resource": "https://Mcp.example.org"}, "resource"),
        ({"resource": "https://other.example.org"}, "audience"),
        ({"issuer": "stint"}, "issuer"),
        ({"tools": {"*": ToolNeeds(("read",), ("internal",))}}, "tools"),
        ({"tools": {"a b": ToolNeeds(("read",), ("internal",))}}, "tools.a b"),
        ({"tools": {"search": ToolNeeds((), ("internal",))}}, "tools.search"),
        ({"tools": {"search": ToolNeeds(("fly",), ("internal",))}}, "tools.search"),  # type: ignore[arg-type]
        ({"asked_tools": ["serach"]}, "asked_tools"),
        ({"asked_tools": "search"}, "asked_tools"),
        ({"other_methods": ["tools/call"]}, "other_methods"),
        ({"other_methods": ["tools/*"]}, "other_methods"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
    ],
)
def test_a_mistake_in_the_settings_stops_the_server_and_not_its_callers(options: dict[str, Any], field: str) -> None:
    verifier = Verifier([RESOURCE], endpoint="/run/stint.sock")
    with pytest.raises(StintError) as refused:
        StintGuard(none, **{"verifier": verifier, "resource": RESOURCE, "issuer": VECTORS["issuer"], "tools": TOOLS, **options})
    assert refused.value.metadata["field"] == field
