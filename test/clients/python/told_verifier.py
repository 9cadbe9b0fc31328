"""A verifier at a real broker; with a second argument, settings in JSON, it hears by something else than the feed. It is told what to do on standard input, one JSON object a line, and answers in kind; that a step has
ended it says as a line with an "event"."""

import asyncio
import json
import runpy
import sys
from pathlib import Path
from typing import Any

from stint_mcp import (
    GrantElement,
    PollRevocation,
    StatusListRevocation,
    StintError,
    ToolUse,
    VerificationError,
    VerifiedStep,
    Verifier,
)
from stint_mcp.clock import SystemClock
from stint_mcp.runtime import Runtime


class MovedClock(SystemClock):
    """The machine's, and how much later it is said to be."""

    ahead_ms = 0.0

    def wall_ms(self) -> float:
        return super().wall_ms() + self.ahead_ms

    def monotonic_ms(self) -> float:
        return super().monotonic_ms() + self.ahead_ms


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def shown(error: VerificationError) -> dict[str, Any]:
    return {"refused": error.code, "metadata": dict(error.metadata)}


def revocation_of(*, kind: str, roots_file: str | None = None, **settings: str) -> StatusListRevocation | PollRevocation:
    roots = None if roots_file is None else Path(roots_file).read_text()
    made = StatusListRevocation if kind == "status-list" else PollRevocation
    return made(**settings, roots=roots)


class Told:
    def __init__(self, audience: str, revocation: dict[str, str] | None) -> None:
        self.audience = audience
        self.clock = MovedClock()
        # The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
        self.verifier = (
            Verifier([audience], development=True, report_usage=True, clock=self.clock)
            if revocation is None
            else Verifier([audience], development=True, revocation=revocation_of(**revocation), clock=self.clock)
        )
        self.verified: VerifiedStep | None = None
        self.asking: asyncio.Task[object] | None = None
        self.watching: set[asyncio.Task[None]] = set()

    async def verify(self, order: dict[str, Any]) -> object:
        self.verified = await self.verifier.verify(order["token"])
        return {"spiffe_id": self.verified.spiffe_id, "grant": [one.as_json() for one in self.verified.grant]}

    async def authorize(self, order: dict[str, Any]) -> object:
        assert self.verified is not None
        self.verifier.authorize(self.verified, ToolUse(order["tool"], tuple(order["actions"]), ("internal",)))
        return "permitted"

    async def call(self, order: dict[str, Any]) -> object:
        assert self.verified is not None
        use = ToolUse(order["tool"], ("read",), ("internal",))
        try:
            async with self.verifier.while_open(self.verified, use):
                self.verifier.report(self.verified, use, "served")
                return "called"
        except VerificationError:
            self.verifier.report(self.verified, use, "refused")
            raise

    async def work(self, order: dict[str, Any]) -> object:
        """A whole step of this process's own, and what its token is worth in it and after it."""
        element = GrantElement((self.audience,), "search", ("read",), ("internal",))
        ended = asyncio.Event()
        async with Runtime("researcher") as runtime:
            try:
                async with runtime.step(order["run"], "search", [element]) as step:
                    svid = await step.jwt_svid(self.audience)
                    assert svid is await step.jwt_svid(self.audience)
                    verified = await self.verifier.verify(svid.svid())
                    self.verifier.on_closed(verified, lambda _reason: ended.set())
                    if order["end"] == "raise":
                        raise RuntimeError("the work failed")
                    if order["end"] == "wait":
                        say({"event": "working"})
                        await asyncio.Event().wait()
            except RuntimeError:
                pass
            except StintError as error:
                return {"error": error.code, "metadata": dict(error.metadata)}
        await ended.wait()
        return await self.verify({"token": svid.svid()})

    async def ask(self, order: dict[str, Any]) -> object:
        """A step that may have to be approved, and whether its token can be had."""
        element = GrantElement((self.audience,), "search", ("read",), ("internal",))
        options = {name: order[name] for name in ("accept_pending", "approval_timeout_seconds") if name in order}
        self.asking = asyncio.current_task()
        try:
            async with Runtime("clerk") as runtime, runtime.step(order["run"], "s", [element], **options) as step:
                await step.jwt_svid(self.audience)
                return {"spiffe_id": step.spiffe_id}
        except StintError as error:
            return {"error": error.code, "metadata": dict(error.metadata)}
        except asyncio.CancelledError:
            return "given up"

    async def give_up(self, _order: dict[str, Any]) -> object:
        assert self.asking is not None
        self.asking.cancel()
        return "told"

    async def delegate(self, order: dict[str, Any]) -> object:
        """A step, a token of it for another runtime, and two children that this opens with it, of which the second is one too many."""
        element = GrantElement((self.audience,), "search", ("read",), ("internal",))
        async with Runtime("researcher") as runtime, runtime.step(order["run"], "collect", [element]) as step:
            token = await step.delegation_token("records", grant=[element], ttl_seconds=60)
            assert token.token() not in repr(token)
            grant, run = [element], f"{order['run']}-archive"
            async with runtime.step(run, "store", grant, parent_token=token.token()) as child:
                verified = await self.verifier.verify((await child.jwt_svid(self.audience)).svid())
            try:
                async with runtime.step(run, "again", grant, parent_token=token.token()):
                    return "opened twice"
            except StintError as error:
                return {"parent": verified.step.parent_step_id == step.step_id, "error": error.code}

    async def research(self, order: dict[str, Any]) -> object:
        """As the guide shows it."""
        shown = runpy.run_path(order["program"])

        async def ask(headers: dict[str, str]) -> str:
            step = await self.verifier.verify(headers["authorization"].removeprefix("Bearer "))
            return step.step.run_id

        return await shown["research"](order["run"], ask)

    async def watch(self, _order: dict[str, Any]) -> object:
        began = asyncio.Event()
        task = asyncio.create_task(self.until_ended(began))
        self.watching.add(task)
        await began.wait()
        return "watching"

    async def until_ended(self, began: asyncio.Event) -> None:
        assert self.verified is not None
        try:
            async with self.verifier.while_open(self.verified):
                began.set()
                await asyncio.Event().wait()
        except VerificationError as ended:
            say({"event": "ended", **shown(ended)})

    async def status(self, _order: dict[str, Any]) -> object:
        now = self.verifier.status()
        names = ("connected", "refusal", "staleness_seconds", "last_error")
        return {name: getattr(now, name) for name in names}

    async def later(self, order: dict[str, Any]) -> object:
        self.clock.ahead_ms += order["ms"]
        return "later"

    async def ready(self, _order: dict[str, Any]) -> object:
        try:
            await self.verifier.ready()
        except StintError as error:
            return {"error": error.code}
        return "ready"


async def main() -> None:
    told = Told(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else None)
    loop = asyncio.get_running_loop()
    answering: set[asyncio.Task[None]] = set()
    async with told.verifier:
        say({"event": "ready"})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            # One that takes its time holds up no other.
            task = asyncio.create_task(answer(told, order))
            answering.add(task)
            task.add_done_callback(answering.discard)


async def answer(told: Told, order: dict[str, Any]) -> None:
    try:
        result = await getattr(told, order["command"])(order)
    except VerificationError as refused:
        result = shown(refused)
    say({"id": order["id"], "result": result})


asyncio.run(main())
