"""What became of calls, as the broker is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from asgi_client import ask
from guarded import BEARER, Guarded, call_of, guarded
from manual_clock import ManualClock, as_time_passes
from scripted_broker import ScriptedBroker, scripted_broker
from stint_mcp.asgi import Receive, Scope, Send
from stint_mcp.gen.stint.v1.authorizations_pb2 import CheckResponse, ReportUsageRequest, UsageOutcome
from stint_mcp.usage import UsageReporter, UsageStatus

HEADERS = [("authorization", BEARER), ("content-type", "application/json")]


@asynccontextmanager
async def reporting() -> AsyncIterator[tuple[ScriptedBroker, ManualClock, UsageReporter]]:
    async with scripted_broker() as broker:
        clock = ManualClock(0)
        reporter = UsageReporter(broker.endpoint, clock)
        yield broker, clock, reporter
        await reporter.close()


def shown(report: ReportUsageRequest) -> list[tuple[str, str, str, str, int]]:
    return [
        (one.jti, one.tool, one.action, UsageOutcome.Name(one.outcome).removeprefix("USAGE_OUTCOME_"), one.calls)
        for one in report.usages
    ]


async def test_calls_of_one_kind_are_told_together_and_those_of_a_tool_that_does_two_things_once_for_each() -> None:
    async with reporting() as (broker, clock, reporter):
        for _ in range(50):
            reporter.add("j", "search", ("read",), "served")
        reporter.add("j", "search", ("read", "write"), "served")
        reporter.add("j", "search", ("read",), "stopped")
        assert reporter.status() == UsageStatus(3, 0)
        report = await as_time_passes(clock, broker.reports.get())
    assert shown(report) == [
        ("j", "search", "read", "SERVED", 51),
        ("j", "search", "write", "SERVED", 1),
        ("j", "search", "read", "STOPPED", 1),
    ]
    assert (report.gap, len(report.report_id)) == (0, 22)


async def test_a_report_is_sent_again_as_it_is_until_it_is_answered() -> None:
    async with reporting() as (broker, clock, reporter):
        broker.refuses_reports = [(grpc.StatusCode.UNAVAILABLE, "")]
        reporter.add("j", "search", ("read",), "served")
        first = await as_time_passes(clock, broker.reports.get())
        reporter.add("j", "search", ("read",), "served")
        second = await as_time_passes(clock, broker.reports.get())
        third = await as_time_passes(clock, broker.reports.get())
    assert second == first
    assert third.report_id != first.report_id and shown(third) == shown(first)


async def test_what_will_never_be_taken_is_lost_and_counted() -> None:
    async with reporting() as (broker, _clock, reporter):
        broker.refuses_reports = [(grpc.StatusCode.PERMISSION_DENIED, "NOT_ENTITLED")]
        for _ in range(3):
            reporter.add("j", "search", ("read",), "served")
        await reporter.flush()
        assert reporter.status() == UsageStatus(0, 3)
        reporter.add("j", "search", ("read",), "failed")
        await reporter.flush()
        assert [(await broker.reports.get()).gap, (await broker.reports.get()).gap] == [0, 3]


async def test_a_bounded_number_of_kinds_waits_and_the_rest_is_counted() -> None:
    async with reporting() as (broker, _clock, reporter):
        for kind in range(1_010):
            reporter.add("j", f"tool-{kind}", ("read",), "served")
        assert reporter.status() == UsageStatus(1_000, 10)
        await reporter.flush()
        report = await broker.reports.get()
        assert (len(report.usages), report.gap, reporter.status()) == (100, 10, UsageStatus(900, 0))


async def test_what_is_waiting_is_told_on_closing_and_nothing_is_kept_after_it() -> None:
    async with reporting() as (broker, _clock, reporter):
        reporter.add("j", "search", ("read",), "served")
        await reporter.close()
        reporter.add("j", "search", ("read",), "served")
        assert reporter.status() == UsageStatus(0, 0)
        assert shown(await broker.reports.get()) == [("j", "search", "read", "SERVED", 1)]


async def outcomes_of(scene: Guarded) -> list[tuple[str, str]]:
    await scene.verifier.close()
    return [(tool, outcome) for _, tool, _, outcome, _ in shown(await scene.broker.reports.get())]


async def answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def test_the_guard_tells_what_became_of_each_call() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        kind = dict(scope["headers"]).get(b"x-kind", b"")
        if kind == b"raise":
            raise RuntimeError
        await answer(send, 500 if kind == b"fail" else 200)

    async with guarded(app, report_usage=True, asked_tools=["write"]) as scene:
        scene.broker.answer = CheckResponse(reason="POLICY_DENIED", message="no")
        for tool in ("search", "erase", "unheard", "write"):
            await ask(scene.guard, "POST", "/tools", HEADERS, call_of(tool))
        assert await outcomes_of(scene) == [("search", "SERVED"), ("erase", "REFUSED"), ("write", "REFUSED")]
    async with guarded(app, report_usage=True) as scene:
        await ask(scene.guard, "POST", "/tools", [*HEADERS, ("x-kind", "fail")], call_of("search"))
        with pytest.raises(RuntimeError):
            await ask(scene.guard, "POST", "/tools", [*HEADERS, ("x-kind", "raise")], call_of("write"))
        assert await outcomes_of(scene) == [("search", "FAILED"), ("write", "FAILED")]


async def test_a_call_whose_step_ends_or_whose_caller_goes_is_stopped() -> None:
    entered: asyncio.Queue[None] = asyncio.Queue()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        entered.put_nowait(None)
        await asyncio.Event().wait()

    async with guarded(app, report_usage=True) as scene:
        asking = [
            asyncio.create_task(ask(scene.guard, "POST", "/tools", HEADERS, call_of(tool))) for tool in ("search", "write")
        ]
        for _ in asking:
            await entered.get()
        asking[0].cancel()
        await asyncio.gather(asking[0], return_exceptions=True)
        await scene.deny_step()
        await asking[1]
        assert await outcomes_of(scene) == [("search", "STOPPED"), ("write", "STOPPED")]


async def test_nobody_is_told_unless_it_is_asked_for() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, 200)

    async with guarded(app) as scene:
        await ask(scene.guard, "POST", "/tools", HEADERS, call_of("search"))
        assert scene.verifier.status().usage is None
        await scene.verifier.close()
        assert scene.broker.reports.empty()
