"""The verifier beside the shared scenes: what it waits for, whom it tells of an end, and what it can be made with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import json_format

from manual_clock import ManualClock, as_time_passes
from scripted_broker import ScriptedBroker, Watch, scripted_broker
from stint_mcp import CheckedCall, StintError, ToolUse, VerificationError, VerifiedStep, Verifier
from stint_mcp.feed_source import FeedSource
from stint_mcp.gen.stint.v1.authorizations_pb2 import CheckResponse
from stint_mcp.gen.stint.v1.history_pb2 import Effect
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchResponse
from vectors import vectors

FEED = vectors("feed.json")
NOW_MS = FEED["now_ms"]
AUDIENCE = FEED["audience"]
GOOD = FEED["tokens"]["good"]
END = FEED["messages"]["step denied"]
SEARCH = ToolUse("search", ("read",), ("internal",))


def response(name: str) -> WatchResponse:
    return json_format.ParseDict(FEED["messages"][name], WatchResponse())


@dataclass
class Scene:
    broker: ScriptedBroker
    clock: ManualClock
    verifier: Verifier
    watch: Watch

    async def tell(self, name: str) -> None:
        """Sends a message that moves the cursor, and returns once it was applied."""
        self.watch.send(response(name))
        await self.watch.next_acknowledge()

    async def answer(self, cursor: bytes) -> None:
        pong = WatchResponse.Pong(nonce=await self.watch.next_ping(), cursor=cursor)
        pong.broker_time.FromMilliseconds(int(self.clock.wall_ms()))
        self.watch.send(WatchResponse(pong=pong))
        await self.watch.next_acknowledge()


@asynccontextmanager
async def connected(start_ms: float = NOW_MS, **options: Any) -> AsyncIterator[Scene]:
    async with scripted_broker() as broker:
        clock = ManualClock(start_ms)
        async with Verifier([AUDIENCE], endpoint=broker.endpoint, clock=clock, **options) as verifier:
            yield Scene(broker, clock, verifier, await broker.next_watch())


@asynccontextmanager
async def ready(**options: Any) -> AsyncIterator[Scene]:
    async with connected(**options) as scene:
        scene.watch.send(response("own bundle"))
        await scene.tell("empty snapshot")
        await scene.answer(b"c2")
        yield scene


async def test_a_verifier_says_who_it_is_and_how_stale_it_may_become() -> None:
    async with connected(max_staleness_seconds={"read": 30}) as scene:
        assert scene.watch.metadata["workload.spiffe.io"] == "true"
        assert list(scene.watch.hello.audiences) == [AUDIENCE]
        assert scene.watch.hello.max_staleness.seconds == 30
        assert scene.watch.hello.cursor == b""


async def test_ready_returns_with_deny_list_bundle_and_time_and_not_before() -> None:
    async with connected() as scene:
        is_ready = asyncio.create_task(scene.verifier.ready())
        scene.watch.send(response("own bundle"))
        await scene.tell("empty snapshot")
        assert not is_ready.done()
        await scene.answer(b"c2")
        await asyncio.wait_for(is_ready, 10)
        assert (await scene.verifier.verify(GOOD)).step.run_id == "r1"


async def test_waiting_to_be_ready_ends_by_its_time_and_by_closing() -> None:
    async with connected() as scene:
        with pytest.raises(StintError) as late:
            await scene.verifier.ready(timeout_seconds=0.01)
        assert late.value.code == "NOT_SERVING"
        assert "an answer of the broker" in late.value.message
        waiting = asyncio.create_task(scene.verifier.ready())
        await asyncio.sleep(0)
        await scene.verifier.close()
        with pytest.raises(StintError, match="closed"):
            await waiting


async def test_what_is_no_socket_is_no_endpoint() -> None:
    async with Verifier([AUDIENCE], endpoint=__file__) as verifier:
        with pytest.raises(StintError) as refused:
            await verifier.ready(timeout_seconds=30)
        assert refused.value.metadata == {"field": "endpoint"}


async def test_a_verifier_that_is_first_asked_begins_to_follow_the_feed() -> None:
    async with scripted_broker() as broker:
        verifier = Verifier([AUDIENCE], endpoint=broker.endpoint, clock=ManualClock(NOW_MS))
        with pytest.raises(VerificationError) as refused:
            await verifier.verify(GOOD)
        assert refused.value.code == "NOT_READY"
        await broker.next_watch()
        await verifier.close()


async def test_the_end_of_a_step_is_told_once_and_only_to_who_listens() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(GOOD)
        told: list[VerificationError] = []
        scene.verifier.on_closed(step, told.append)
        scene.verifier.on_closed(step, lambda _reason: told.clear())()
        await scene.tell("step denied")
        assert [(reason.code, dict(reason.metadata)) for reason in told] == [
            ("REVOKED", {"reason": "cessationOfOperation", "state": "COMPLETED"})
        ]
        scene.verifier.on_closed(step, told.append)
        assert len(told) == 2


async def test_a_body_is_cancelled_when_its_step_ends_and_raises_why() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(GOOD)
        began = asyncio.Event()

        async def work() -> None:
            async with scene.verifier.while_open(step):
                began.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await began.wait()
        await scene.tell("step denied")
        with pytest.raises(VerificationError) as ended:
            await working
        assert ended.value.metadata["state"] == "COMPLETED"
        with pytest.raises(VerificationError):
            async with scene.verifier.while_open(step):
                pytest.fail("a step that has ended is not worked for")


async def test_a_cancellation_that_is_not_the_steps_goes_on() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(GOOD)
        began = asyncio.Event()

        async def work() -> None:
            async with scene.verifier.while_open(step):
                began.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await began.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working


async def test_a_body_that_is_through_when_its_step_ends_leaves_no_cancellation_behind() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(GOOD)
        async with scene.verifier.while_open(step):
            source = scene.verifier._source
            assert isinstance(source, FeedSource)
            source._listeners.tell(step.deny_keys[0], VerificationError("REVOKED", "the step has ended"))
        await asyncio.sleep(0)


async def test_a_closed_verifier_refuses_everything() -> None:
    async with ready() as scene:
        await scene.verifier.close()
        with pytest.raises(VerificationError) as refused:
            await scene.verifier.verify(GOOD)
        assert refused.value.code == "NOT_READY"


async def test_a_broker_that_comes_back_is_found_again_and_asked_from_where_it_was_left() -> None:
    async with ready() as scene:
        await scene.broker.stop()
        await scene.broker.start()
        watch = await as_time_passes(scene.clock, scene.broker.next_watch())
        assert watch.hello.cursor == b"c2"


async def test_a_broker_that_leaves_pings_unanswered_is_left() -> None:
    async with ready() as scene:
        watch = await as_time_passes(scene.clock, scene.broker.next_watch())
        assert watch.hello.cursor == b"c2"
        assert scene.verifier.status().last_error == "NOT_SERVING: the broker left pings unanswered"


async def test_a_cursor_that_the_broker_does_not_know_is_given_up() -> None:
    async with ready() as scene:
        scene.watch.refuse("INVALID_FIELD", {"field": "hello.cursor"})
        watch = await as_time_passes(scene.clock, scene.broker.next_watch())
        assert watch.hello.cursor == b""
        assert scene.verifier.status().last_error == "INVALID_FIELD: no"


async def test_what_only_a_change_of_settings_mends_is_not_waited_for() -> None:
    async with connected() as scene:
        waiting = asyncio.create_task(scene.verifier.ready())
        # gRPC forgets what a call was refused with that something is still written to.
        await scene.watch.next_ping()
        scene.watch.refuse("AUDIENCE_INVALID", {"field": "audiences"})
        with pytest.raises(StintError) as refused:
            await waiting
        assert (refused.value.code, dict(refused.value.metadata)) == ("AUDIENCE_INVALID", {"field": "audiences"})


async def test_what_may_mend_itself_is_waited_for_and_named() -> None:
    async with connected() as scene:
        await scene.watch.next_ping()
        scene.watch.refuse("NO_IDENTITY", {})
        while scene.verifier.status().last_error is None:
            await asyncio.sleep(0.001)
        with pytest.raises(StintError, match="a verifier's entry that matches this process"):
            await scene.verifier.ready(timeout_seconds=0.01)


async def test_a_call_goes_on_past_the_expiry_of_its_token_and_ends_with_its_step() -> None:
    # The token expires 120 s after the scene's beginning, and 5 s of leeway.
    async with ready(start_ms=NOW_MS + 100_000) as scene:
        step = await scene.verifier.verify(FEED["tokens"]["short"])
        began = asyncio.Event()

        async def work() -> None:
            async with scene.verifier.while_open(step, SEARCH):
                began.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await began.wait()
        await asyncio.sleep(0)
        scene.clock.advance(26_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not working.done()
        with pytest.raises(VerificationError) as refused:
            scene.verifier.authorize(step, SEARCH)
        assert refused.value.code == "EXPIRED"
        await scene.tell("step denied")
        with pytest.raises(VerificationError) as ended:
            await working
        assert ended.value.metadata["state"] == "COMPLETED"


async def test_a_call_of_a_foreign_step_ends_with_its_token_since_nobody_tells_of_its_end() -> None:
    async with connected(grants_from=["other.example"]) as scene:
        for name in ("own bundle", "foreign bundle"):
            scene.watch.send(response(name))
        await scene.tell("empty snapshot")
        await scene.answer(b"c2")
        scene.clock.advance(100_000)
        await scene.answer(b"c3")
        step = await scene.verifier.verify(FEED["tokens"]["foreign and short"])
        with pytest.raises(VerificationError) as ended:
            async with scene.verifier.while_open(step, SEARCH):
                await as_time_passes(scene.clock, asyncio.Event().wait())
        assert ended.value.code == "EXPIRED"
        # Of the leeway too.
        assert scene.clock.wall_ms() >= NOW_MS + 125_000


COUNTED = ToolUse("counted", ("read",), ("internal",))


async def test_a_call_that_the_grant_counts_is_asked_about_and_made_if_it_is_allowed() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(FEED["tokens"]["wide"])
        scene.broker.answer = CheckResponse(effect=Effect.EFFECT_ALLOW, decision_id="dec_1", calls_left=2)
        assert await scene.verifier.check(step, COUNTED) == CheckedCall("dec_1", 2)
        async with scene.verifier.while_open(step, COUNTED):
            pass
        assert [asked.tool for asked in scene.broker.checks] == ["counted", "counted"]
        async with scene.verifier.while_open(step, SEARCH):
            assert len(scene.broker.checks) == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (CheckResponse(effect=Effect.EFFECT_DENY, reason="GRANT_EXCEEDED"), "GRANT_EXCEEDED"),
        (CheckResponse(effect=Effect.EFFECT_DENY, reason="STEP_CLOSED"), "REVOKED"),
        (CheckResponse(effect=Effect.EFFECT_DENY, reason="OF_LATER_VERSIONS"), "POLICY_DENIED"),
        (CheckResponse(effect=Effect.EFFECT_UNSPECIFIED), "POLICY_DENIED"),
        (CheckResponse(effect=99), "POLICY_DENIED"),  # type: ignore[arg-type]
    ],
)
async def test_only_an_allow_allows(answer: CheckResponse, code: str) -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(FEED["tokens"]["wide"])
        scene.broker.answer = answer
        with pytest.raises(VerificationError) as refused:
            async with scene.verifier.while_open(step, COUNTED):
                pytest.fail("the broker has not allowed it")
        assert refused.value.code == code


async def test_no_answer_of_the_broker_is_no_permission() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(FEED["tokens"]["wide"])
        await scene.broker.stop()
        with pytest.raises(VerificationError) as refused:
            await scene.verifier.check(step, COUNTED)
        assert refused.value.code == "UNAVAILABLE"


async def test_what_is_not_permitted_is_not_asked_about() -> None:
    async with ready() as scene:
        step = await scene.verifier.verify(FEED["tokens"]["wide"])
        with pytest.raises(VerificationError):
            await scene.verifier.check(step, ToolUse("other", ("read",), ("internal",)))
        assert scene.broker.checks == []


async def test_a_message_that_cannot_be_applied_ends_its_stream() -> None:
    async with ready() as scene:
        scene.watch.send(response("a denial of nothing"))
        await as_time_passes(scene.clock, scene.broker.next_watch())
        assert scene.verifier.status().last_error == "INVALID_FIELD: denial.subject: a step, a JWT-SVID or a certificate"


async def test_no_audience_but_the_verifiers_own_can_be_asked_for() -> None:
    async with ready() as scene:
        with pytest.raises(StintError) as refused:
            await scene.verifier.verify(GOOD, audience="https://other.example.org")
        assert refused.value.metadata == {"field": "audience"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"audiences": []}, "audiences"),
        ({"audiences": AUDIENCE}, "audiences"),
        ({"audiences": ["https://Mcp.example.org"]}, "audiences"),
        ({"endpoint": ""}, "endpoint"),
        ({"max_staleness_seconds": {"read": 0}}, "max_staleness_seconds.read"),
        ({"max_staleness_seconds": {"default": 61}}, "max_staleness_seconds.default"),
        ({"max_staleness_seconds": {"read": float("nan")}}, "max_staleness_seconds.read"),
        ({"max_staleness_seconds": {"fly": 1}}, "max_staleness_seconds"),
        ({"grants_from": ["spiffe://other.example"]}, "grants_from"),
    ],
)
def test_settings_that_bind_nothing_are_refused_by_their_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(StintError) as refused:
        Verifier(**{"audiences": [AUDIENCE], "endpoint": "/run/stint.sock", **options})
    assert (refused.value.code, dict(refused.value.metadata)) == ("INVALID_FIELD", {"field": field})


async def test_another_scheme_than_unix_is_no_endpoint() -> None:
    with pytest.raises(StintError) as refused:
        Verifier([AUDIENCE], endpoint="tcp://127.0.0.1:1").start()
    assert refused.value.metadata == {"field": "endpoint"}


def test_a_use_that_says_nothing_of_what_is_done_is_none() -> None:
    for actions, datatypes in (((), ("internal",)), (("read",), ())):
        with pytest.raises(StintError):
            ToolUse("search", actions, datatypes)  # type: ignore[arg-type]


async def test_what_was_verified_shows_no_token() -> None:
    async with ready() as scene:
        step: VerifiedStep = await scene.verifier.verify(GOOD)
        assert GOOD not in repr(step)
        assert GOOD.rsplit(".", 1)[1] not in repr(step)
