"""The scenes of test/vectors/status-list.json, which TypeScript runs too: documents of a broker that the script has, and a clock that it moves."""

import asyncio
from typing import Any

import pytest

from manual_clock import ManualClock
from scripted_issuer import Answer, ScriptedIssuer, scripted_issuer
from stint_mcp import StatusListRevocation, ToolUse, VerificationError, VerifiedStep, Verifier
from vectors import outcome_of, refusal_in, vectors

VECTORS = vectors("status-list.json")
LIST_PATH = VECTORS["list_path"]


class Scene:
    def __init__(self, issuer: ScriptedIssuer, options: dict[str, Any]) -> None:
        self.issuer, self.options = issuer, options
        self.clock = ManualClock(VECTORS["now_ms"])
        self.verified: dict[str, VerifiedStep] = {}
        self.ends: dict[str, asyncio.Future[VerificationError]] = {}
        self._verifier: Verifier | None = None

    @property
    def verifier(self) -> Verifier:
        """Made when the first act wants it, so that what is served by then is what it finds."""
        if self._verifier is None:
            options = dict(self.options)
            trust_domain = options.pop("trust_domain", VECTORS["trust_domain"])
            revocation = StatusListRevocation(
                issuer=VECTORS["issuer"], trust_domain=trust_domain, url=self.issuer.url
            )
            self._verifier = Verifier([VECTORS["audience"]], revocation=revocation, clock=self.clock, **options)
        return self._verifier

    async def act(self, act: dict[str, Any]) -> None:
        kind, clock = act["do"], self.clock
        if kind == "serve":
            document = VECTORS["documents"].get(act.get("document"), "x" * act.get("filler_bytes", 0))
            answer = Answer(document.encode(), act.get("status", 200), act.get("headers", {}))
            self.issuer.serve(act.get("path", LIST_PATH), answer)
        elif kind == "stop":
            self.issuer.stop()
        elif kind == "ready":
            await self.verifier.ready()
        elif kind == "advance":
            clock.advance(act["ms"])
        elif kind == "suspend":
            clock.suspend(act["ms"])
        elif kind == "set_wall":
            clock.set_wall(clock.wall_ms() + act["ahead_ms"])
        elif kind == "listen":
            end = self.ends[act["token"]] = asyncio.get_running_loop().create_future()
            self.verifier.on_closed(self.verified[act["token"]], end.set_result)
        elif kind == "told":
            assert refusal_in(await self.ends[act["token"]]) == act["is"]
        elif kind == "status":
            now = self.verifier.status()
            assert {name: getattr(now, name) for name in act["is"]} == pytest.approx(act["is"], abs=1e-9)
        elif kind == "asked":
            assert self.issuer.asked(act.get("path", LIST_PATH)) == act["times"]
        else:
            assert await outcome_of(self.decide(act)) == act["is"], act

    async def decide(self, act: dict[str, Any]) -> None:
        kind, token, actions = act["do"], act["token"], tuple(act.get("actions", ()))
        if kind == "verify":
            self.verified[token] = await self.verifier.verify(VECTORS["tokens"][token], actions=actions)
        elif kind == "recheck":
            self.verifier.recheck(self.verified[token])
        elif kind == "authorize":
            self.verifier.authorize(self.verified[token], ToolUse("search", actions, ("internal",)))
        else:
            pytest.fail(f"no such act: {kind}")


@pytest.mark.parametrize("scene", VECTORS["scenes"], ids=[scene["name"] for scene in VECTORS["scenes"]])
async def test_status_lists_are_believed_as_everywhere(scene: dict[str, Any]) -> None:
    async with scripted_issuer(VECTORS["served"]) as issuer:
        running = Scene(issuer, scene["options"])
        try:
            for act in scene["script"]:
                await running.act(act)
        finally:
            await running.verifier.close()
