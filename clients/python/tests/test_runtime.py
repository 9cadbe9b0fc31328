"""The runtime beside what is tested at a real broker: what it keeps of a token, and what it says when nobody answers."""

import asyncio
import pickle
from pathlib import Path

import pytest

from manual_clock import ManualClock
from scripted_broker import scripted_broker
from stint_mcp import StintError
from stint_mcp import runtime as runtime_module
from stint_mcp.gen.stint.v1.steps_pb2 import Outcome
from stint_mcp.jwt_svids import JwtSvid, JwtSvids
from stint_mcp.runtime import Runtime

AUDIENCE = "https://mcp.example.org/mcp"
NOW = 1_800_000_000


class Minting:
    """A broker that mints tokens of two minutes, or refuses."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW * 1_000)
        self.refusal: StintError | None = None
        self.svids = JwtSvids(self.mint, self.clock)

    async def mint(self, audience: str) -> JwtSvid:
        if self.refusal is not None:
            raise self.refusal
        return JwtSvid("a.b.c", "spiffe://example.org/x", audience, int(self.clock.wall_ms() / 1_000) + 120)


async def test_a_token_is_minted_anew_once_two_thirds_of_its_life_are_over() -> None:
    minting = Minting()
    first = await minting.svids.get(AUDIENCE)
    minting.clock.advance(79_000)
    assert await minting.svids.get(AUDIENCE) is first
    minting.clock.advance(1_000)
    second = await minting.svids.get(AUDIENCE)
    assert second is not first
    minting.clock.set_wall(NOW * 1_000)
    assert await minting.svids.get(AUDIENCE) is not second


async def test_an_old_token_does_when_the_broker_is_away_and_not_when_it_refuses() -> None:
    minting = Minting()
    first = await minting.svids.get(AUDIENCE)
    minting.clock.advance(100_000)
    minting.refusal = StintError("UNREACHABLE", "the broker does not answer")
    assert await minting.svids.get(AUDIENCE) is first
    minting.refusal = StintError("STEP_CLOSED", "the step has ended")
    with pytest.raises(StintError, match="STEP_CLOSED"):
        await minting.svids.get(AUDIENCE)
    minting.refusal = StintError("UNREACHABLE", "the broker does not answer")
    minting.clock.advance(18_001)
    with pytest.raises(StintError, match="UNREACHABLE"):
        await minting.svids.get(AUDIENCE)


def test_no_print_of_a_token_shows_it_and_it_is_not_for_storing() -> None:
    svid = JwtSvid("header.claims.signature", "spiffe://example.org/x", AUDIENCE, NOW)
    assert "signature" not in f"{svid} {svid!r} {[svid]}"
    assert svid.authorization() == "Bearer header.claims.signature"
    with pytest.raises(TypeError):
        pickle.dumps(svid)


async def test_a_broker_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime_module, "_ANSWER_SECONDS", 0.2)
    async with Runtime("researcher", endpoint=f"unix://{tmp_path}/no.sock") as runtime:
        with pytest.raises(StintError) as refused:
            async with runtime.step("r1", "search", []):
                pytest.fail("there is no step")
    assert refused.value.code == "UNREACHABLE"


async def test_an_opening_that_is_cancelled_before_its_answer_came_is_taken_back() -> None:
    async with scripted_broker() as broker, Runtime("researcher", endpoint=broker.endpoint) as runtime:

        async def work() -> None:
            async with runtime.step("r1", "search", []):
                pytest.fail("the work was given up")

        working = asyncio.create_task(work())
        await broker.opened.wait()
        working.cancel()
        broker.opens.set()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert [(close.step_id, close.outcome) for close in broker.closes] == [("step_1", Outcome.OUTCOME_CANCELLED)]


def test_a_runtime_has_to_know_where_its_broker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET", raising=False)
    with pytest.raises(StintError) as refused:
        Runtime("researcher")
    assert refused.value.metadata == {"field": "endpoint"}
