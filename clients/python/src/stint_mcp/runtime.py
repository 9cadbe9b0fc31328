"""A runtime: opens steps, holds them, and closes them with the outcome of their work."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

import grpc.aio
from google.protobuf.message import Message

from stint_mcp.call_error import call_failure_of
from stint_mcp.channel import SECURITY_HEADER, open_channel
from stint_mcp.clock import Clock, SystemClock
from stint_mcp.errors import StintError, invalid_field
from stint_mcp.gen.stint.v1 import credentials_pb2, steps_pb2, types_pb2
from stint_mcp.grant import GrantElement
from stint_mcp.jwt_svids import JwtSvid, JwtSvids
from stint_mcp.while_open import spent

_ANSWER_SECONDS: Final = 10.0
"""A broker that is started anew is there again by then."""
_HOLD_GRACE_SECONDS: Final = 5.0
"""For as long the broker keeps a step that nobody holds; after that it may be gone without anybody having said so."""
_HOLD_AGAIN_SECONDS: Final = 0.2
_REQUEST_ID_BYTES: Final = 16
_STATE_PREFIX: Final = "STEP_STATE_"

Response = TypeVar("Response", bound=Message)


class Runtime:
    """Opens steps of one agent, at the broker of this machine.

    :param agent: the agent's name, one of the runtime's entry.
    :param endpoint: the workload endpoint; default: ``SPIFFE_ENDPOINT_SOCKET`` of the environment.
    :param clock: replaced in tests alone.
    :raises StintError: INVALID_FIELD.
    """

    def __init__(self, agent: str, *, endpoint: str | None = None, clock: Clock | None = None) -> None:
        self._agent = agent
        self._endpoint = endpoint if endpoint is not None else os.environ.get("SPIFFE_ENDPOINT_SOCKET", "")
        if self._endpoint == "":
            raise invalid_field("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET")
        self._clock: Clock = clock or SystemClock()
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> "Runtime":
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _raised: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection. Steps that are open then are held by nobody, and end."""
        if self._channel is not None:
            await self._channel.close()

    def step(self, run_id: str, step: str, grant: Sequence[GrantElement], *, purpose: str = "") -> "StepScope":
        """``async with runtime.step(…) as step:`` opens a step, and closes it with the outcome of the body.

        COMPLETED when it comes to its end, CANCELLED when it is cancelled, FAILED when it raises. When the step ends before, the body is
        cancelled, and the StintError STEP_CLOSED (``metadata["state"]``) or HOLD_LOST raised: another attempt may be doing the work.

        :raises StintError: on entering and leaving as the broker says it (POLICY_DENIED, NOT_ENTITLED, …), UNREACHABLE when nobody
            answers, BROKER_FAILED when a call failed without a reason.
        """
        request = steps_pb2.OpenRequest(
            run_id=run_id,
            step=step,
            agent=self._agent,
            purpose=purpose,
            grant=types_pb2.Grant(elements=[_element_of(element) for element in grant]),
            request_id=secrets.token_hex(_REQUEST_ID_BYTES),
        )
        return StepScope(self, request)

    async def _call(self, service: Any, method: str, request: Message, answer: type[Response]) -> Response:
        call = self._connected().unary_unary(
            _path_of(service, method), request_serializer=_serialized, response_deserializer=answer.FromString
        )
        try:
            response: Response = await call(
                request, timeout=_ANSWER_SECONDS, metadata=SECURITY_HEADER, wait_for_ready=True
            )
            return response
        except grpc.aio.AioRpcError as error:
            raise _error_of(error) from None

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = open_channel(self._endpoint)
        return self._channel


class Step:
    """An open step."""

    def __init__(self, runtime: Runtime, opened: types_pb2.Step) -> None:
        self.step_id, self.spiffe_id = opened.step_id, opened.spiffe_id
        self.attempt = opened.name.attempt
        self.expires_at = opened.expires_at.seconds
        """Unix seconds, exclusive."""
        self._runtime = runtime
        self._svids = JwtSvids(self._mint, runtime._clock)

    async def jwt_svid(self, audience: str) -> JwtSvid:
        """A token of the step for one audience: the one at hand, or a new one once two thirds of its life are over.

        :raises StintError: STEP_CLOSED, GRANT_EXCEEDED, AUDIENCE_INVALID and the like.
        """
        return await self._svids.get(audience)

    async def _mint(self, audience: str) -> JwtSvid:
        wanted = credentials_pb2.JwtSvidWanted(audiences=[audience])
        request = credentials_pb2.IssueJwtSvidRequest(step_id=self.step_id, wanted=wanted)
        issued = await self._runtime._call(
            credentials_pb2, "Credentials.IssueJwtSvid", request, credentials_pb2.IssueJwtSvidResponse
        )
        return JwtSvid(issued.svid.svid, issued.svid.spiffe_id, audience, issued.svid.expires_at.seconds)


class StepScope:
    """What `Runtime.step` returns; enter it once."""

    def __init__(self, runtime: Runtime, request: steps_pb2.OpenRequest) -> None:
        self._runtime, self._request = runtime, request
        self._ended: StintError | None = None
        self._task: asyncio.Task[object] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._cancelled_before = 0
        self._step_id = ""

    async def __aenter__(self) -> Step:
        opened = await self._runtime._call(steps_pb2, "Steps.Open", self._request, steps_pb2.OpenResponse)
        self._step_id = opened.step.step_id
        self._task = asyncio.current_task()
        self._cancelled_before = 0 if self._task is None else self._task.cancelling()
        self._holding = asyncio.get_running_loop().create_task(self._hold())
        return Step(self._runtime, opened.step)

    async def __aexit__(
        self, kind: type[BaseException] | None, _raised: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._holding is not None:
            self._holding.cancel()
        if self._ended is not None:
            if kind is not asyncio.CancelledError:
                await spent()
            left = 0 if self._task is None else self._task.uncancel()
            # The error of the work is the one to tell, and so is a cancellation that somebody else has asked for.
            if kind is None or (kind is asyncio.CancelledError and left <= self._cancelled_before):
                raise self._ended from None
            return
        outcome = _outcome_of(kind)
        request = steps_pb2.CloseRequest(step_id=self._step_id, outcome=outcome)
        try:
            closed = await self._runtime._call(steps_pb2, "Steps.Close", request, steps_pb2.CloseResponse)
        except StintError:
            # A step whose close failed is no longer held, and so ends by itself.
            if kind is None:
                raise
            return
        state, said = _name_of(closed.step.state), steps_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")
        if kind is None and state != said:
            raise _closed(state)

    async def _hold(self) -> None:
        """Holds the step, and finds the hold again when it is lost, for as long as the broker keeps a step that nobody holds."""
        loop = asyncio.get_running_loop()
        lost_at = loop.time()
        while loop.time() - lost_at < _HOLD_GRACE_SECONDS:
            call = self._runtime._connected().unary_stream(
                _path_of(steps_pb2, "Steps.Hold"),
                request_serializer=_serialized,
                response_deserializer=steps_pb2.HoldResponse.FromString,
            )(steps_pb2.HoldRequest(step_id=self._step_id), metadata=SECURITY_HEADER)
            try:
                async for held in call:
                    lost_at = loop.time()
                    if held.step.state != types_pb2.StepState.STEP_STATE_OPEN:
                        return self._end(_closed(_name_of(held.step.state)))
                lost_at = loop.time()
            except grpc.aio.AioRpcError as error:
                refused = _error_of(error)
                # A broken connection shows in several ways; only what the broker gave a reason for is its answer.
                if refused.code not in ("UNREACHABLE", "BROKER_FAILED", "NOT_SERVING"):
                    return self._end(refused)
            finally:
                call.cancel()
            await asyncio.sleep(_HOLD_AGAIN_SECONDS)
        self._end(StintError("HOLD_LOST", "the hold of the step was lost"))

    def _end(self, reason: StintError) -> None:
        self._ended = reason
        if self._task is not None:
            self._task.cancel()


def _outcome_of(kind: type[BaseException] | None) -> steps_pb2.Outcome:
    if kind is None:
        return steps_pb2.Outcome.OUTCOME_COMPLETED
    is_cancelled = issubclass(kind, (asyncio.CancelledError, KeyboardInterrupt, SystemExit))
    return steps_pb2.Outcome.OUTCOME_CANCELLED if is_cancelled else steps_pb2.Outcome.OUTCOME_FAILED


def _closed(state: str) -> StintError:
    return StintError("STEP_CLOSED", f"the step has ended: {state}", {"state": state})


def _name_of(state: int) -> str:
    known = types_pb2.StepState.DESCRIPTOR.values_by_number.get(state)
    return "UNKNOWN" if known is None else known.name.removeprefix(_STATE_PREFIX)


def _error_of(error: grpc.aio.AioRpcError) -> StintError:
    failure = call_failure_of(error)
    if failure.reason is not None:
        return StintError(failure.reason, failure.message, failure.metadata)
    if failure.unreachable:
        return StintError("UNREACHABLE", "the broker does not answer")
    return StintError("BROKER_FAILED", "the call failed")


def _element_of(element: GrantElement) -> types_pb2.GrantElement:
    return types_pb2.GrantElement(**element.as_json())


def _path_of(module: Any, name: str) -> str:
    """Of a method in a file's descriptor: `Steps.Open` is `/stint.v1.Steps/Open`."""
    service, method = name.split(".")
    found = module.DESCRIPTOR.services_by_name[service]
    return f"/{found.full_name}/{found.methods_by_name[method].name}"


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
