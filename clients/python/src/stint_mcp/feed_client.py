"""Keeps a watch of the broker's feed open: connects, resumes, pings, acknowledges; and decides nothing, which is the state's."""

import asyncio
import math
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc.aio
from google.protobuf.message import Message

from stint_mcp.call_error import CallFailure, call_failure_of
from stint_mcp.channel import SECURITY_HEADER, open_channel
from stint_mcp.clock import Clock, instant_of
from stint_mcp.errors import StintError
from stint_mcp.feed_state import Applied, FeedState
from stint_mcp.gen.stint.v1 import revocations_pb2
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchRequest, WatchResponse

_PING_INTERVAL_MS: Final = 1_000
"""How often the feed's freshness is renewed."""
_PONG_TIMEOUT_MS: Final = 10_000
"""A broker that leaves a ping unanswered for this long hangs; a new connection may find one that does not."""
_RECONNECT_MS_MIN: Final = 100
"""Small beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once."""
_RECONNECT_MS_MAX: Final = 2_000
_NONCE_BYTES: Final = 16
_DOUBLINGS_MAX: Final = 10

_SERVICE = revocations_pb2.DESCRIPTOR.services_by_name["Revocations"]
_WATCH: Final = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['Watch'].name}"

_Call = grpc.aio.StreamStreamCall[Message, WatchResponse]


class _Watch:
    """One call of Watch, on which one message is sent at a time, as gRPC wants it."""

    def __init__(self, call: _Call) -> None:
        self.responses = call
        self._turn = asyncio.Lock()

    async def send(self, request: WatchRequest) -> None:
        """What can't be sent any more is not: the end of the call is told to whoever reads it."""
        async with self._turn:
            try:
                await self.responses.write(request)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return

    def cancel(self) -> None:
        """Ends the call at once."""
        self.responses.cancel()


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What a feed is followed for, and who is told of it."""

    endpoint: str
    audiences: Sequence[str]
    max_staleness_seconds: float
    """The loosest bound in use: what the broker reckons with when it waits for receipts."""
    clock: Clock
    state: FeedState
    on_applied: Callable[[Applied], None]
    """Called for each message that was applied, before it is acknowledged."""
    on_failed: Callable[[CallFailure], None]
    """Called when a stream has ended, before the next begins."""


class FeedClient:
    """Only `close` ends it: a verifier without its feed refuses by itself, and should come back by itself."""

    def __init__(self, options: FeedOptions) -> None:
        self.connected = False
        """Whether the broker has answered on the present stream."""
        self.last_error: str | None = None
        """What ended the last stream, in a few words."""
        self._options = options
        self._failures = 0
        self._channel = open_channel(options.endpoint)
        self._task = asyncio.get_running_loop().create_task(self._watch_forever(), name="stint-feed")

    async def close(self) -> None:
        """Ends the feed, and returns once it has ended."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.connected = False
        await self._channel.close()

    async def _watch_forever(self) -> None:
        while True:
            failure = await self._watch_once()
            self.last_error = failure.text
            # A broker whose keys are new does not know its predecessor's cursors, and would refuse this one for ever.
            if failure.reason == "INVALID_FIELD" and failure.metadata.get("field", "").endswith("cursor"):
                self._options.state.forget_cursor()
            self.connected = False
            self._options.on_failed(failure)
            await self._pause()

    async def _watch_once(self) -> CallFailure:
        self._options.state.restart()
        call: _Call = self._channel.stream_stream(
            _WATCH,
            request_serializer=WatchRequest.SerializeToString,
            response_deserializer=WatchResponse.FromString,
        )(metadata=SECURITY_HEADER)
        watch = _Watch(call)
        loop = asyncio.get_running_loop()
        reading, pinging = loop.create_task(self._read(watch)), loop.create_task(self._greet_and_ping(watch))
        try:
            await asyncio.wait((reading, pinging), return_when=asyncio.FIRST_COMPLETED)
            ended = reading if reading.done() else pinging
            return _own_failure("NOT_SERVING", "the call was cancelled") if ended.cancelled() else ended.result()
        finally:
            watch.cancel()
            reading.cancel()
            pinging.cancel()
            await asyncio.gather(reading, pinging, return_exceptions=True)

    async def _read(self, watch: _Watch) -> CallFailure:
        try:
            async for response in watch.responses:
                await self._apply(watch, response)
        except grpc.aio.AioRpcError as error:
            return call_failure_of(error)
        except StintError as error:
            # Of ours, about what the broker has sent: it has refused nothing.
            return _own_failure(error.code, error.message)
        return _own_failure("NOT_SERVING", "the broker ended the feed")

    async def _apply(self, watch: _Watch, response: WatchResponse) -> None:
        options = self._options
        applied = options.state.apply(response, instant_of(options.clock))
        self.connected = True
        if applied.confirmed:
            self._failures = 0
        options.on_applied(applied)
        if applied.acknowledge is not None:
            await watch.send(WatchRequest(acknowledge=WatchRequest.Acknowledge(cursor=applied.acknowledge)))

    async def _greet_and_ping(self, watch: _Watch) -> CallFailure:
        options = self._options
        hello = WatchRequest.Hello(cursor=options.state.cursor, audiences=options.audiences)
        hello.max_staleness.FromSeconds(math.ceil(options.max_staleness_seconds))
        await watch.send(WatchRequest(hello=hello))
        while True:
            now = instant_of(options.clock)
            since = options.state.waiting_since()
            if since is not None and now.monotonic_ms - since.monotonic_ms > _PONG_TIMEOUT_MS:
                return _own_failure("NOT_SERVING", "the broker left pings unanswered")
            nonce = secrets.token_bytes(_NONCE_BYTES)
            options.state.pinged(nonce, now)
            await watch.send(WatchRequest(ping=WatchRequest.Ping(nonce=nonce)))
            await options.clock.sleep_ms(_PING_INTERVAL_MS)

    async def _pause(self) -> None:
        doubled = _RECONNECT_MS_MIN * 2 ** min(self._failures, _DOUBLINGS_MAX)
        self._failures += 1
        await self._options.clock.sleep_ms(min(_RECONNECT_MS_MAX, doubled) * random.uniform(0.5, 1))


def _own_failure(code: str, message: str) -> CallFailure:
    return CallFailure(None, message, {}, unreachable=False, text=f"{code}: {message}")
