"""A verifier that polls security events, in front of a transmitter on this machine that sends what the test says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from issued import NOW, RESOURCE, code_of
from live import ISSUER
from manual_clock import as_time_passes
from stint_mcp import PollRevocation, StintError, ToolUse, VerificationError, Verifier
from transmitter import RECEIVER, STREAM, Transmitter, connected, hearing, of_step

READ, WRITE = (ToolUse("search", (action,), ("internal",)) for action in ("read", "write"))


def recheck_of(verifier: Verifier, step: Any) -> str:
    try:
        verifier.recheck(step)
    except VerificationError as refused:
        return refused.code
    return "accepted"


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("listed", [[STREAM], []])
async def test_it_takes_the_stream_that_there_is_or_makes_one(listed: list[dict[str, Any]], tmp_path: Path) -> None:
    async with connected(tmp_path, listed) as (transmitter, verifier):
        assert await code_of(verifier, transmitter.token()) == "NOT_READY"
        poll = await transmitter.next()
        assert poll.asked == {"maxEvents": 100, "returnImmediately": True, "ack": []}
        transmitter.since = poll.answer() + 1
        await verifier.ready()
        transmitter.clock.advance(1_000)
        assert await code_of(verifier, transmitter.token()) == "accepted"
        assert (await transmitter.next()).asked["returnImmediately"] is False
        assert transmitter.issuer.asked("/ssf/stream") == (1 if listed else 2)


@pytest.mark.parametrize(
    ("subject", "metadata"),
    [
        (of_step("step-r1"), {"reason": "unspecified", "state": "UNKNOWN"}),
        ({"format": "jwt_id", "iss": ISSUER, "jti": "jti-r1"}, {"reason": "unspecified"}),
    ],
)
async def test_a_token_is_refused_once_an_event_tells_and_so_is_what_was_begun_with_it(
    subject: dict[str, Any], metadata: dict[str, str], tmp_path: Path
) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        step = await verifier.verify(transmitter.token("search"))
        with pytest.raises(VerificationError) as ended:
            async with verifier.while_open(step, READ):
                (await transmitter.next()).answer(transmitter.event(of_step("step-else")), transmitter.event(subject))
                await asyncio.Event().wait()
        assert (ended.value.code, dict(ended.value.metadata)) == ("REVOKED", metadata)
        assert await code_of(verifier, transmitter.token()) == "REVOKED"
        assert await code_of(verifier, transmitter.token(step_id="step-other", jti="other")) == "accepted"
        assert verifier.status().denied == 2


async def test_what_was_received_is_acknowledged_once_and_what_is_sent_again_does_no_harm(tmp_path: Path) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        event = transmitter.event(of_step("step-r1"))
        (await transmitter.next()).answer(event)
        second = await transmitter.next()
        assert second.asked["ack"] == [event[0]]
        second.answer(event)
        third = await transmitter.next()
        assert third.asked["ack"] == [event[0]]
        third.answer()
        assert (await transmitter.next()).asked["ack"] == []
        assert await code_of(verifier, transmitter.token()) == "REVOKED"


async def test_what_was_issued_before_it_began_to_hear_is_refused(tmp_path: Path) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        since = transmitter.since
        for issued_at, code in ((since - 1, "CLAIMS_INVALID"), (since, "accepted"), (None, "CLAIMS_INVALID")):
            assert await code_of(verifier, transmitter.token(iat=issued_at)) == code


async def test_it_hears_from_when_all_that_was_pending_had_been_sent(tmp_path: Path) -> None:
    async with connected(tmp_path) as (transmitter, verifier):
        (await transmitter.next()).answer(transmitter.event(of_step("step-else")), moreAvailable=True)
        await until(lambda: verifier.status().denied == 1)
        assert await code_of(verifier, transmitter.token()) == "NOT_READY"
        transmitter.clock.advance(1_000)
        heard = (await transmitter.next()).answer()
        await verifier.ready()
        transmitter.clock.advance(1_000)
        assert heard > NOW
        assert await code_of(verifier, transmitter.token(iat=heard)) == "CLAIMS_INVALID"
        assert await code_of(verifier, transmitter.token(iat=heard + 1)) == "accepted"


def removed(transmitter: Transmitter) -> None:
    transmitter.listed.clear()


def disabled(transmitter: Transmitter) -> None:
    transmitter.status = "disabled"


def for_others(transmitter: Transmitter) -> None:
    transmitter.stream = {**STREAM, "audiences": ["https://mcp.example.org/more"]}


def without_ends(transmitter: Transmitter) -> None:
    transmitter.stream = {**STREAM, "events_delivered": []}


@pytest.mark.parametrize("happens", [removed, disabled, for_others, without_ends])
async def test_a_stream_that_was_away_meanwhile_begins_anew(
    happens: Callable[[Transmitter], None], tmp_path: Path
) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        step = await verifier.verify(transmitter.token())
        waiting = await transmitter.next()
        happens(transmitter)
        waiting.answer()
        await as_time_passes(transmitter.clock, until(lambda: recheck_of(verifier, step) == "NOT_READY"))
        assert await code_of(verifier, transmitter.token()) == "NOT_READY"


async def test_an_event_that_somebody_else_has_asked_for_is_a_reason_to_refuse(tmp_path: Path) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        assert len(transmitter.states) == 1
        step = await verifier.verify(transmitter.token())
        (await transmitter.next()).answer(transmitter.shown(transmitter.states[0]))
        second = await transmitter.next()
        assert recheck_of(verifier, step) == "accepted"
        second.answer(transmitter.shown("another's"))
        await until(lambda: recheck_of(verifier, step) == "NOT_READY")
        # And so it stays, since another that receives the stream shows once a minute.
        (await transmitter.next()).answer()
        await transmitter.next()
        assert recheck_of(verifier, step) == "NOT_READY"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "spiffe://example.org/verifier/else"},
        {"events": {"https://else.example/event": {}}},
        {"sub_id": {"format": "email", "email": "a@example.org"}},
    ],
)
async def test_an_event_that_does_not_hold_is_not_acknowledged_and_in_time_everything_is_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        step = await verifier.verify(transmitter.token("search"))
        (await transmitter.next()).answer(transmitter.event(of_step("step-r1"), **changes))
        await until(lambda: not verifier.status().connected)
        assert "security event" in (verifier.status().last_error or "")
        assert verifier.status().denied == 0
        assert (await transmitter.next()).asked["ack"] == []
        transmitter.clock.advance(14_001)
        with pytest.raises(VerificationError) as refused:
            verifier.authorize(step, WRITE)
        assert refused.value.code == "STALE"


async def test_without_an_answer_it_refuses_by_its_bounds_and_a_clock_that_was_set_is_found_out(tmp_path: Path) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        clock = transmitter.clock
        step = await verifier.verify(transmitter.token("search"))
        status = verifier.status()
        assert (status.connected, status.refusal, status.last_error) == (True, None, None)
        assert 1 <= (status.staleness_seconds or 0) < 5
        clock.set_wall(NOW * 1_000 - 5_001)
        assert recheck_of(verifier, step) == "CLOCK_SKEWED"
        clock.set_wall(NOW * 1_000 + 1_000)
        clock.suspend(15_001)
        with pytest.raises(VerificationError) as refused:
            verifier.authorize(step, WRITE)
        assert refused.value.code == "STALE"
        assert recheck_of(verifier, step) == "accepted"
        clock.suspend(46_000)
        assert recheck_of(verifier, step) == "STALE"
        assert verifier.status().refusal == "STALE"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"delivery": {"method": "urn:ietf:rfc:8935"}}, "the stream of this verifier is for push"),
        ({"events_delivered": []}, "the stream of this verifier is without session-revoked"),
        ({"audiences": None}, "/ssf/stream was answered with no stream, or with one that does not say its audiences"),
    ],
)
async def test_a_stream_that_can_not_tell_of_every_end_is_not_polled(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    async with connected(tmp_path, [{**STREAM, **changes}]) as (transmitter, verifier):
        await until(lambda: verifier.status().last_error is not None)
        assert verifier.status().last_error == says
        assert transmitter.issuer.asked("/ssf/poll") == 0


async def test_an_audience_that_the_entry_does_not_name_is_told_of_at_once(tmp_path: Path) -> None:
    async with connected(tmp_path, [{**STREAM, "audiences": [RECEIVER]}]) as (transmitter, verifier):
        with pytest.raises(StintError) as refused:
            await verifier.ready()
        assert refused.value.code == "AUDIENCE_INVALID"
        assert transmitter.issuer.asked("/ssf/poll") == 0


async def test_an_svid_that_is_none_is_a_reason_to_refuse_and_ends_nothing(tmp_path: Path) -> None:
    async with hearing(tmp_path) as (transmitter, verifier):
        key_file = tmp_path / "key.pem"
        key = key_file.read_bytes()
        waiting = await transmitter.next()
        key_file.write_text("no PEM")
        waiting.answer()
        says = "there is no X.509-SVID of this verifier to be had"
        await as_time_passes(transmitter.clock, until(lambda: verifier.status().last_error == says))
        key_file.write_bytes(key)
        (await transmitter.next()).answer()
        await as_time_passes(transmitter.clock, until(lambda: verifier.status().last_error is None))


def test_a_verifier_has_to_show_who_it_is_over_https() -> None:
    revocation = PollRevocation(
        issuer="http://localhost:1", trust_domain="example.org", certificate_file="svid.pem", key_file="svid_key.pem"
    )
    with pytest.raises(StintError) as refused:
        Verifier([RESOURCE], revocation=revocation)
    assert refused.value.metadata == {"field": "revocation.url"}
