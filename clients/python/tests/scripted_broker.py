"""A broker that says on the feed just what the test tells it to: a real gRPC server on a unix socket, with nothing behind it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from stint_mcp.gen.stint.v1.authorizations_pb2 import (
    CheckRequest,
    CheckResponse,
    ReportUsageRequest,
    ReportUsageResponse,
)
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchRequest, WatchResponse
from stint_mcp.gen.stint.v1.steps_pb2 import CloseRequest, CloseResponse, OpenRequest, OpenResponse
from stint_mcp.gen.stint.v1.types_pb2 import Step, StepState

Context = grpc.aio.ServicerContext[Any, Any]


class Watch:
    """One watch as the broker sees it."""

    def __init__(self, context: Context) -> None:
        self.metadata = dict(context.invocation_metadata() or ())
        self.hello = WatchRequest.Hello()
        self.responses: asyncio.Queue[WatchResponse | None] = asyncio.Queue()
        self._received: dict[str, asyncio.Queue[Any]] = {kind: asyncio.Queue() for kind in ("ping", "acknowledge")}
        self.refusal = b""

    def receive(self, request: WatchRequest) -> None:
        kind = request.WhichOneof("message")
        if kind is not None:
            self._received[kind].put_nowait(getattr(request, kind))

    async def next_ping(self) -> bytes:
        return bytes((await self._received["ping"].get()).nonce)

    async def next_acknowledge(self) -> bytes:
        return bytes((await self._received["acknowledge"].get()).cursor)

    def send(self, response: WatchResponse) -> None:
        self.responses.put_nowait(response)

    def end(self) -> None:
        self.responses.put_nowait(None)

    def refuse(self, reason: str, metadata: dict[str, str]) -> None:
        """Ends it with a refusal, as the broker says it: google.rpc.ErrorInfo in google.rpc.Status."""
        self.refusal = _status_of(reason, metadata)
        self.end()


class ScriptedBroker:
    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.endpoint = f"unix://{socket}"
        self.checks: list[CheckRequest] = []
        self.answer = CheckResponse()
        """To every question about a call."""
        self.reports: asyncio.Queue[ReportUsageRequest] = asyncio.Queue()
        """As they come, those in vain too."""
        self.refuses_reports: list[tuple[grpc.StatusCode, str]] = []
        """For the next reports: the code, and a reason or nothing."""
        self.opened = asyncio.Event()
        """Whether a step was asked for."""
        self.opens = asyncio.Event()
        """Whether the answer to that may go out."""
        self.closes: list[CloseRequest] = []
        self._watches: asyncio.Queue[Watch] = asyncio.Queue()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(
            self._watch,
            request_deserializer=WatchRequest.FromString,
            response_serializer=WatchResponse.SerializeToString,
        )
        service = grpc.method_handlers_generic_handler("stint.v1.Revocations", {"Watch": handler})
        check = _unary(self._check, CheckRequest, CheckResponse)
        report = _unary(self._report_usage, ReportUsageRequest, ReportUsageResponse)
        calls = grpc.method_handlers_generic_handler("stint.v1.Authorizations", {"Check": check, "ReportUsage": report})
        opening, closing = _unary(self._open, OpenRequest, OpenResponse), _unary(self._close, CloseRequest, CloseResponse)
        steps = grpc.method_handlers_generic_handler("stint.v1.Steps", {"Open": opening, "Close": closing})
        self._server.add_generic_rpc_handlers((service, calls, steps))
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop(self) -> None:
        """Drops every connection and listens no more."""
        if self._server is not None:
            await self._server.stop(grace=None)

    async def next_watch(self) -> Watch:
        return await self._watches.get()

    async def _check(self, request: CheckRequest, _context: Context) -> CheckResponse:
        self.checks.append(request)
        return self.answer

    async def _report_usage(self, request: ReportUsageRequest, context: Context) -> ReportUsageResponse:
        self.reports.put_nowait(request)
        if self.refuses_reports:
            code, reason = self.refuses_reports.pop(0)
            context.set_trailing_metadata((("grpc-status-details-bin", _status_of(reason, {})),) if reason != "" else ())
            await context.abort(code, "no")
        return ReportUsageResponse()

    async def _open(self, _request: OpenRequest, _context: Context) -> OpenResponse:
        self.opened.set()
        await self.opens.wait()
        return OpenResponse(step=Step(step_id="step_1", state=StepState.STEP_STATE_OPEN))

    async def _close(self, request: CloseRequest, _context: Context) -> CloseResponse:
        self.closes.append(request)
        return CloseResponse(step=Step(step_id=request.step_id, state=StepState.STEP_STATE_CANCELLED))

    async def _watch(self, requests: AsyncIterator[WatchRequest], context: Context) -> AsyncIterator[WatchResponse]:
        watch = Watch(context)

        async def receive() -> None:
            async for request in requests:
                if request.WhichOneof("message") == "hello":
                    watch.hello.CopyFrom(request.hello)
                    self._watches.put_nowait(watch)
                else:
                    watch.receive(request)

        receiving = asyncio.create_task(receive())
        try:
            while (response := await watch.responses.get()) is not None:
                yield response
        finally:
            receiving.cancel()
        if watch.refusal != b"":
            context.set_trailing_metadata((("grpc-status-details-bin", watch.refusal),))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")


def _unary(act: Any, request: type[Message], response: type[Message]) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        act, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )


def _status_of(reason: str, metadata: dict[str, str]) -> bytes:
    pairs = [_field(3, _field(1, name.encode()) + _field(2, value.encode())) for name, value in metadata.items()]
    info = _field(1, reason.encode()) + _field(2, b"stint") + b"".join(pairs)
    detail = _field(1, b"type.googleapis.com/google.rpc.ErrorInfo") + _field(2, info)
    return b"\x08\x03" + _field(2, b"no") + _field(3, detail)


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a protobuf message, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


@asynccontextmanager
async def scripted_broker() -> AsyncIterator[ScriptedBroker]:
    with tempfile.TemporaryDirectory(prefix="stint-") as folder:
        broker = ScriptedBroker(Path(folder) / "workload.sock")
        await broker.start()
        try:
            yield broker
        finally:
            await broker.stop()
