"""The verifier by status lists beside the shared scenes: what it waits for, what it can be made with, and what stands in front of a server."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from asgi_client import Answer, ask
from certificates import own_certificate
from guarded import call_of
from issued import LIST, NOW, RESOURCE, by_lists, code_of, issued
from live import ISSUER
from scripted_issuer import Answer as Served
from scripted_issuer import Request
from stint_mcp import (
    StatusListRevocation,
    StintError,
    ToolNeeds,
    ToolUse,
    VerificationError,
    Verifier,
    fastmcp,
    mcp,
)
from stint_mcp.asgi import Receive, Scope, Send, StintGuard
from stint_mcp.status_list_source import StatusListSource

PATH = f"/status/{LIST}"
SEARCH = ToolUse("search", ("read",), ("internal",))


async def hangs(_request: Request) -> Served:
    await asyncio.Event().wait()
    return Served()


async def test_a_call_ends_within_a_refresh_of_its_list_and_so_does_the_next() -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(7, "search"))
        with pytest.raises(VerificationError) as ended:
            async with verifier.while_open(step, SEARCH):
                scene.issuer.serve(PATH, scene.list(7))
                scene.clock.advance(5_001)
                await asyncio.Event().wait()
        assert (ended.value.code, dict(ended.value.metadata)) == ("REVOKED", {"reason": "unspecified"})
        assert await code_of(verifier, scene.token(7)) == "REVOKED"
        assert await code_of(verifier, scene.token(8)) == "accepted"


async def test_a_call_ends_with_its_token_since_nothing_is_told_of_it_from_then_on() -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(1, "search", exp=NOW + 2))
        with pytest.raises(VerificationError) as ended:
            async with verifier.while_open(step, SEARCH):
                while True:
                    await asyncio.sleep(0.002)
                    scene.clock.advance(100)
        assert ended.value.code == "EXPIRED"
        assert scene.clock.wall_ms() >= (NOW + 7) * 1_000


async def test_who_listens_no_more_is_not_told_and_keeps_no_list() -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(7))
        told: list[VerificationError] = []
        stop = verifier.on_closed(step, told.append)
        stop()
        stop()
        scene.issuer.serve(PATH, scene.list(7))
        scene.clock.advance(5_001)
        assert await code_of(verifier, scene.token(7)) == "REVOKED"
        assert told == []
        verifier.on_closed(step, told.append)
        assert [refused.code for refused in told] == ["REVOKED"]


async def test_a_broker_that_hangs_is_waited_for_three_seconds_and_no_longer_where_a_list_is_known() -> None:
    async with by_lists() as (scene, verifier):
        assert await code_of(verifier, scene.token(1)) == "accepted"
        scene.issuer.serve(PATH, hangs)
        scene.clock.advance(5_001)
        while scene.issuer.asked(PATH) < 2:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(code_of(verifier, scene.token(1)))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        scene.clock.advance(3_001)
        assert await waiting == "accepted"
        assert verifier.status().last_error == f"{PATH} can't be had: TimeoutError"
        scene.clock.advance(1_001)
        while scene.issuer.asked(PATH) < 3:
            await asyncio.sleep(0.001)
        assert await code_of(verifier, scene.token(1)) == "accepted"


async def test_who_gives_up_waiting_ends_no_fetch_for_others() -> None:
    async with by_lists() as (scene, verifier):
        going = asyncio.Event()

        async def slow(_request: Request) -> Served:
            await going.wait()
            return scene.list()

        scene.issuer.serve(PATH, slow)
        impatient, patient = [asyncio.create_task(code_of(verifier, scene.token(1))) for _ in range(2)]
        while scene.issuer.asked(PATH) < 1:
            await asyncio.sleep(0.001)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        going.set()
        assert await patient == "accepted"
        assert scene.issuer.asked(PATH) == 1


@pytest.mark.parametrize(("is_watched", "times"), [(False, 14), (True, 21)])
async def test_a_list_that_nobody_has_asked_about_for_a_minute_is_let_go(is_watched: bool, times: int) -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(1))
        if is_watched:
            verifier.on_closed(step, lambda _reason: None)
        for _ in range(20):
            await settled(verifier)
            scene.clock.advance(5_000)
        await settled(verifier)
        assert scene.issuer.asked(PATH) == times


async def settled(verifier: Verifier) -> None:
    """Returns once nothing is under way, and what is next waits for the clock."""
    source = verifier._source
    assert isinstance(source, StatusListSource) and source._kept is not None
    keys, lists = source._kept
    # Whoever the clock has woken begins in the next rounds of the loop.
    for _ in range(3):
        await asyncio.sleep(0)
    for refresh in (keys._refresh, *(one.refresh for one in lists._lists.values())):
        assert refresh is not None
        await refresh.finished()
    for _ in range(3):
        await asyncio.sleep(0)


async def test_of_more_lists_than_are_kept_those_go_that_were_begun_first() -> None:
    async with by_lists() as (scene, verifier):
        names = [f"list-{number}" for number in range(257)]
        for name in names:
            scene.issuer.serve(f"/status/{name}", scene.list(name=name))
            assert await code_of(verifier, scene.token(1, name=name)) == "accepted"
        for name, times in ((names[1], 1), (names[0], 2)):
            assert await code_of(verifier, scene.token(1, name=name)) == "accepted"
            assert scene.issuer.asked(f"/status/{name}") == times


async def test_a_step_whose_list_was_let_go_can_be_judged_again_once_it_has_come() -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(1, "search"))
        scene.clock.advance(60_001)
        scene.issuer.serve(PATH, scene.list())
        with pytest.raises(VerificationError):
            verifier.authorize(step, SEARCH)

        def is_permitted() -> bool:
            try:
                verifier.authorize(step, SEARCH)
            except VerificationError:
                return False
            return True

        while not is_permitted():
            await asyncio.sleep(0.001)


async def test_once_it_is_closed_everything_is_refused_and_nothing_is_fetched_any_more() -> None:
    async with by_lists() as (scene, verifier):
        assert await code_of(verifier, scene.token(1)) == "accepted"
        await verifier.close()
        scene.clock.advance(5_001)
        assert await code_of(verifier, scene.token(1)) == "NOT_READY"
        assert verifier.status().refusal == "NOT_READY"
        assert scene.issuer.asked(PATH) == 1


async def test_it_waits_to_be_ready_for_the_keys_and_says_what_for() -> None:
    async with issued() as scene:
        scene.issuer.serve("/spiffe-bundle.json", Served(b"no bundle"))
        async with Verifier([RESOURCE], revocation=scene.revocation(), clock=scene.clock) as verifier:
            while verifier.status().last_error is None:
                await asyncio.sleep(0.001)
            with pytest.raises(StintError) as late:
                await verifier.ready(timeout_seconds=0.01)
            why = "/spiffe-bundle.json was answered with no keys"
            assert late.value.message.endswith(f"it waits for the keys of the broker at {scene.issuer.url} ({why})")


async def test_what_takes_the_word_of_the_broker_is_refused_and_what_is_told_to_it_goes_nowhere() -> None:
    async with by_lists() as (scene, verifier):
        step = await verifier.verify(scene.token(1, "search"))
        with pytest.raises(VerificationError) as refused:
            await verifier.check(step, SEARCH)
        assert refused.value.code == "POLICY_DENIED"
        verifier.report(step, SEARCH, "served")
        assert verifier.status().usage is None


@pytest.mark.parametrize(
    ("revocation", "options", "field"),
    [
        ({}, {"endpoint": "/run/stint.sock"}, "endpoint"),
        ({}, {"grants_from": ["example.com"]}, "grants_from"),
        ({}, {"report_usage": True}, "report_usage"),
        ({}, {"max_staleness_seconds": {"default": 11}}, "max_staleness_seconds.default"),
        ({"issuer": "https://stint.example.org/"}, {}, "revocation.issuer"),
        ({"issuer": "http://stint.example.org"}, {}, "revocation.url"),
        ({"url": "http://stint.example.org"}, {}, "revocation.url"),
        ({"url": "https://stint.example.org/?x"}, {}, "revocation.url"),
        ({"roots": "none"}, {}, "revocation.roots"),
        ({"trust_domain": "Example"}, {}, "revocation.trust_domain"),
    ],
)
def test_settings_that_can_not_be_are_refused_by_their_field(
    revocation: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    settings = {"issuer": ISSUER, "trust_domain": "example.org", **revocation}
    with pytest.raises(StintError) as refused:
        Verifier([RESOURCE], revocation=StatusListRevocation(**settings), **options)
    assert refused.value.metadata == {"field": field}


async def test_a_server_is_believed_by_the_roots_that_are_given_and_by_no_others(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with issued(tls=tls) as scene:
        roots = certificate.read_text()
        async with Verifier([RESOURCE], revocation=scene.revocation(roots=roots), clock=scene.clock) as trusting:
            await trusting.ready()
            assert await code_of(trusting, scene.token(1)) == "accepted"
        before = scene.issuer.asked(PATH)
        async with Verifier([RESOURCE], revocation=scene.revocation(), clock=scene.clock) as wary:
            while wary.status().last_error is None:
                await asyncio.sleep(0.001)
            assert wary.status().last_error == "/spiffe-bundle.json can't be had: SSLCertVerificationError"
            assert await code_of(wary, scene.token(1)) == "NOT_READY"
        assert scene.issuer.asked(PATH) == before


async def test_an_answer_that_breaks_off_tells_nothing() -> None:
    async with by_lists() as (scene, verifier):
        body = scene.list().body
        scene.issuer.serve(PATH, Served(body, headers={"content-length": str(len(body) + 1)}))
        assert await code_of(verifier, scene.token(1)) == "NOT_READY"
        assert verifier.status().last_error == f"{PATH} broke off"


async def test_an_answer_in_chunks_is_taken() -> None:
    async with by_lists() as (scene, verifier):
        body = scene.list().body
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
        scene.issuer.serve(PATH, Served(chunks, headers={"transfer-encoding": "chunked"}))
        assert await code_of(verifier, scene.token(1)) == "accepted"


async def test_a_guard_waits_for_the_list_of_a_token_and_stops_a_call_by_it() -> None:
    begun = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with by_lists() as (scene, verifier):
        tools = {"search": ToolNeeds(actions=["read"], datatypes=["internal"])}
        guard = StintGuard(app, verifier=verifier, resource=RESOURCE, issuer=ISSUER, tools=tools)
        headers = [("authorization", f"Bearer {scene.token(7, 'search')}"), ("content-type", "application/json")]

        async def call() -> Answer:
            return await ask(guard, "POST", "/mcp", headers, call_of("search"))

        calling = asyncio.create_task(call())
        await begun.wait()
        scene.issuer.serve(PATH, scene.list(7))
        scene.clock.advance(5_001)
        for answer in (await calling, await call()):
            assert answer.status == 401
            assert json.loads(answer.body)["error"]["data"]["reason"] == "REVOKED"


@pytest.mark.parametrize("made", [mcp.StepTokenVerifier, fastmcp.StepTokenVerifier])
async def test_a_token_verifier_takes_a_token_by_its_list_and_says_nothing_of_it_where_that_can_not_be_had(
    made: type[mcp.StepTokenVerifier] | type[fastmcp.StepTokenVerifier],
) -> None:
    async with by_lists() as (scene, verifier):
        scene.issuer.serve(PATH, scene.list(7))
        adapter = made(verifier, RESOURCE)
        access = await adapter.verify_token(scene.token(1))
        assert access is not None and access.client_id == "spiffe://example.org/agent/researcher"
        assert await adapter.verify_token(scene.token(7)) is None
        with pytest.raises(VerificationError) as refused:
            await adapter.verify_token(scene.token(1, name="list-2"))
        assert refused.value.code == "NOT_READY"
