"""What became of calls, counted and told to the broker in the background."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal

import grpc.aio

from stint_mcp.call_error import call_failure_of
from stint_mcp.channel import SECURITY_HEADER, open_channel
from stint_mcp.clock import Clock
from stint_mcp.gen.stint.v1 import authorizations_pb2
from stint_mcp.gen.stint.v1.authorizations_pb2 import ReportUsageRequest, ReportUsageResponse, Usage
from stint_mcp.grant import Action

CallOutcome = Literal["served", "refused", "failed", "stopped"]
"""What became of a call: ``served`` and ``failed`` as far as the head of its answer tells."""

_INTERVAL_MS: Final = 1_000
_CALL_SECONDS_MAX: Final = 10.0
"""The broker answers once it has recorded, which it does once a second."""
_LAST_CALL_SECONDS_MAX: Final = 2.0
"""The last report: a server that ends does not wait for longer."""
_KINDS_PER_REPORT_MAX: Final = 100
_WAITING_MAX: Final = 1_000
"""Kinds of calls that wait while the broker does not answer; those beyond are counted, and no more is known of them."""
_REPORT_ID_BYTES: Final = 16
_COUNT_MAX: Final = 4_294_967_295
"""What the field holds."""
_FINAL: Final = ("INVALID_FIELD", "NOT_ENTITLED", "NO_IDENTITY")
"""Reasons for which sending the same again is of no use."""

_SERVICE = authorizations_pb2.DESCRIPTOR.services_by_name["Authorizations"]
_REPORT_USAGE: Final = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['ReportUsage'].name}"

_Kind = tuple[str, str, Action, CallOutcome]
"""Token, tool, action and outcome."""


@dataclass(frozen=True, slots=True)
class UsageStatus:
    """What was not told yet."""

    waiting: int
    """Kinds of calls that wait to be reported."""
    gap: int
    """Calls that were left out since the last report."""


@dataclass(frozen=True, slots=True)
class _Report:
    """One under way: sent again as it is until it is answered, since nobody knows whether it was recorded."""

    gap: int
    kinds: dict[_Kind, int]
    report_id: str = field(default_factory=lambda: secrets.token_urlsafe(_REPORT_ID_BYTES))

    def message(self) -> ReportUsageRequest:
        usages = [
            Usage(jti=jti, tool=tool, action=action, outcome=f"USAGE_OUTCOME_{outcome.upper()}", calls=calls)
            for (jti, tool, action, outcome), calls in self.kinds.items()
        ]
        return ReportUsageRequest(report_id=self.report_id, usages=usages, gap=self.gap)


class UsageReporter:
    """On a connection of its own, made with the first report."""

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._waiting: dict[_Kind, int] = {}
        self._gap = 0
        self._report: _Report | None = None
        self._turn = asyncio.Lock()
        self._channel: grpc.aio.Channel | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def add(self, jti: str, tool: str, actions: Sequence[Action], outcome: CallOutcome) -> None:
        """Counts a call, once for each of its actions. Never waits, and never raises."""
        if self._is_closed:
            return
        for action in actions:
            self._count((jti, tool, action, outcome))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_while_any_wait(), name="stint-usage")

    def status(self) -> UsageStatus:
        """What was not told yet."""
        under_way = 0 if self._report is None else len(self._report.kinds)
        return UsageStatus(len(self._waiting) + under_way, self._gap)

    async def flush(self, timeout_seconds: float = _CALL_SECONDS_MAX) -> None:
        """Sends what is waiting, once, whatever comes of it."""
        async with self._turn:
            self._report = self._report or self._take()
            if self._report is None:
                return
            if self._channel is None:
                self._channel = open_channel(self._endpoint)
            report_usage = self._channel.unary_unary(
                _REPORT_USAGE,
                request_serializer=ReportUsageRequest.SerializeToString,
                response_deserializer=ReportUsageResponse.FromString,
            )
            try:
                await report_usage(self._report.message(), timeout=timeout_seconds, metadata=SECURITY_HEADER)
            except grpc.aio.AioRpcError as error:
                if call_failure_of(error).reason not in _FINAL:
                    return
                # It will never be taken: what was in it is lost, and counted.
                self._gap = min(_COUNT_MAX, self._gap + self._report.gap + sum(self._report.kinds.values()))
            self._report = None

    async def close(self) -> None:
        """Tells what is waiting, for the last time."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush(_LAST_CALL_SECONDS_MAX)
        if self._channel is not None:
            await self._channel.close()

    def _count(self, kind: _Kind) -> None:
        known = self._waiting.get(kind, 0)
        if known < _COUNT_MAX and (known > 0 or len(self._waiting) < _WAITING_MAX):
            self._waiting[kind] = known + 1
        else:
            self._gap = min(_COUNT_MAX, self._gap + 1)

    def _take(self) -> _Report | None:
        kinds = dict(islice(self._waiting.items(), _KINDS_PER_REPORT_MAX))
        # A gap alone is told with the next call: a report names at least one.
        if len(kinds) == 0:
            return None
        for kind in kinds:
            del self._waiting[kind]
        report = _Report(self._gap, kinds)
        self._gap = 0
        return report

    async def _send_while_any_wait(self) -> None:
        while self.status().waiting > 0:
            await self._clock.sleep_ms(_INTERVAL_MS)
            await self.flush()
