"""The scenes of test/vectors/feed.json, which TypeScript runs too: a broker that says what the script has, and a clock that it moves."""

import asyncio
from typing import Any

import pytest
from google.protobuf import json_format

from manual_clock import ManualClock
from scripted_broker import ScriptedBroker, Watch, scripted_broker
from stint_mcp import ToolUse, VerifiedStep, Verifier
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchResponse
from vectors import outcome_of, vectors

VECTORS = vectors("feed.json")
RECONNECT_MS = 2_000


class Scene:
    def __init__(self, broker: ScriptedBroker, clock: ManualClock, verifier: Verifier, watch: Watch) -> None:
        self.broker, self.clock, self.verifier, self.watch = broker, clock, verifier, watch
        self.verified: dict[str, VerifiedStep] = {}

    async def act(self, act: dict[str, Any]) -> None:
        kind, clock = act["do"], self.clock
        if kind == "send":
            self.watch.send(json_format.ParseDict(VECTORS["messages"][act["message"]], WatchResponse()))
        elif kind == "acknowledged":
            assert (await self.watch.next_acknowledge()).decode() == act["cursor"]
        elif kind == "pong":
            await self.answer(act)
        elif kind == "advance":
            clock.advance(act["ms"])
        elif kind == "suspend":
            clock.suspend(act["ms"])
        elif kind == "set_wall":
            clock.set_wall(clock.wall_ms() + act["ahead_ms"])
        elif kind == "reconnected":
            self.watch.end()
            # From then on it waits for the clock.
            while self.verifier.status().connected:
                await asyncio.sleep(0.001)
            clock.advance(RECONNECT_MS)
            self.watch = await self.broker.next_watch()
            assert self.watch.hello.cursor.decode() == act["cursor"]
        else:
            assert await outcome_of(self.decide(act)) == act["is"]

    async def answer(self, act: dict[str, Any]) -> None:
        pong = WatchResponse.Pong(nonce=await self.watch.next_ping(), cursor=act["cursor"].encode())
        # Half of the way there, half of it back.
        self.clock.advance(act.get("after_ms", 0) / 2)
        pong.broker_time.FromMilliseconds(round(self.clock.wall_ms() + act.get("ahead_ms", 0)))
        self.clock.advance(act.get("after_ms", 0) / 2)
        self.watch.send(WatchResponse(pong=pong))

    async def decide(self, act: dict[str, Any]) -> None:
        token = act["token"]
        if act["do"] == "verify":
            text = VECTORS["tokens"][token]
            self.verified[token] = await self.verifier.verify(text, actions=act.get("actions", ()))
        elif act["do"] == "recheck":
            self.verifier.recheck(self.verified[token])
        elif act["do"] == "authorize":
            use = act["use"]
            asked = ToolUse(use["tool"], tuple(use["actions"]), tuple(use["datatypes"]))
            self.verifier.authorize(self.verified[token], asked)
        else:
            pytest.fail(f"no such act: {act['do']}")


@pytest.mark.parametrize("scene", VECTORS["scenes"], ids=[scene["name"] for scene in VECTORS["scenes"]])
async def test_the_feed_is_followed_as_everywhere(scene: dict[str, Any]) -> None:
    options, clock = scene["options"], ManualClock(VECTORS["now_ms"])
    async with scripted_broker() as broker:
        async with Verifier([VECTORS["audience"]], endpoint=broker.endpoint, clock=clock, **options) as verifier:
            running = Scene(broker, clock, verifier, await broker.next_watch())
            for act in scene["script"]:
                await running.act(act)
