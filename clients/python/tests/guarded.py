"""A guard with a verifier at a scripted broker, by what test/vectors/guard.json says of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from manual_clock import ManualClock
from scripted_broker import ScriptedBroker, Watch, scripted_broker
from stint_mcp import ToolNeeds, Verifier
from stint_mcp.asgi import Application, StintGuard
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchResponse
from vectors import vectors

VECTORS = vectors("guard.json")
TOOLS = {name: ToolNeeds(**needs) for name, needs in VECTORS["tools"].items()}
RESOURCE = VECTORS["resource"]
BEARER = VECTORS["cases"][0]["request"]["headers"][0][1]
"""Of the first case, which is permitted."""


@dataclass
class Guarded:
    guard: StintGuard
    verifier: Verifier
    watch: Watch
    clock: ManualClock
    broker: ScriptedBroker

    async def deny_step(self) -> None:
        self.watch.send(message("denied"))
        await self.watch.next_acknowledge()


def message(name: str) -> WatchResponse:
    return json_format.ParseDict(VECTORS["messages"][name], WatchResponse())


@asynccontextmanager
async def guarded(app: Application, feed: str = "ready", **options: Any) -> AsyncIterator[Guarded]:
    async with scripted_broker() as broker:
        clock = ManualClock(VECTORS["now_ms"])
        report_usage = options.pop("report_usage", False)
        async with Verifier([RESOURCE], endpoint=broker.endpoint, clock=clock, report_usage=report_usage) as verifier:
            watch = await broker.next_watch()
            watch.send(message("bundle"))
            watch.send(message("snapshot"))
            await watch.next_acknowledge()
            if feed != "not ready":
                pong = WatchResponse.Pong(nonce=await watch.next_ping(), cursor=b"c2")
                pong.broker_time.FromMilliseconds(round(clock.wall_ms()))
                watch.send(WatchResponse(pong=pong))
                await watch.next_acknowledge()
            made = {"tools": TOOLS, "max_body_bytes": VECTORS["max_body_bytes"], **options}
            guard = StintGuard(app, verifier=verifier, resource=RESOURCE, issuer=VECTORS["issuer"], **made)
            scene = Guarded(guard, verifier, watch, clock, broker)
            if feed == "step denied":
                await scene.deny_step()
            clock.advance({"16 s old": 16_000, "61 s old": 61_000}.get(feed, 0))
            yield scene


def call_of(tool: str) -> bytes:
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    return json.dumps(message).encode()
