"""A runtime: opens steps, holds them, and closes them with the outcome of their work."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeVar

import grpc.aio
from google.protobuf.message import Message

from stint_mcp.approval import approved_step
from stint_mcp.call_error import call_failure_of
from stint_mcp.channel import SECURITY_HEADER, open_channel
from stint_mcp.clock import Clock, SystemClock
from stint_mcp.delegation_token import DelegationToken
from stint_mcp.errors import StintError, invalid_field
from stint_mcp.gen.stint.v1 import credentials_pb2, steps_pb2, types_pb2
from stint_mcp.grant import GrantElement
from stint_mcp.jwt_svids import JwtSvid, JwtSvids
from stint_mcp.step_state import name_of, step_closed
from stint_mcp.while_open import spent

_ANSWER_SECONDS: Final = 10.0
"""A broker that is started anew is there again by then."""
_HOLD_GRACE_SECONDS: Final = 5.0
"""For as long the broker keeps a step that nobody holds; after that it may be gone without anybody having said so."""
_HOLD_AGAIN_SECONDS: Final = 0.2
_REQUEST_ID_BYTES: Final = 16

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

    def step(
        self,
        run_id: str,
        step: str,
        grant: Sequence[GrantElement],
        *,
        purpose: str = "",
        accept_pending: bool = False,
        approval_timeout_seconds: float | None = None,
        parent_token: str = "",
    ) -> "StepScope":
        """``async with runtime.step(…) as step:`` opens a step, and closes it with the outcome of the body.

        COMPLETED when it comes to its end, CANCELLED when it is cancelled, FAILED when it raises. When the step ends before, the body is
        cancelled, and the StintError STEP_CLOSED (``metadata["state"]``) or HOLD_LOST raised: another attempt may be doing the work.

        :param accept_pending: waits where policies hold the step back until an operator approves it; otherwise such a step is refused
            POLICY_DENIED, with ``metadata["approval"]``.
        :param approval_timeout_seconds: how long to wait for that; then the request is taken back. ``None``: as long as the broker does.
        :param parent_token: a delegation token for this runtime: the step is opened under the step that the token is of.
        :raises StintError: on entering and leaving as the broker says it (POLICY_DENIED, NOT_ENTITLED, …), UNREACHABLE when nobody
            answers, BROKER_FAILED when a call failed without a reason; STEP_CLOSED when an approval was refused, APPROVAL_TIMEOUT.
        """
        request = steps_pb2.OpenRequest(
            run_id=run_id,
            step=step,
            agent=self._agent,
            purpose=purpose,
            grant=types_pb2.Grant(elements=[_element_of(element) for element in grant]),
            request_id=secrets.token_hex(_REQUEST_ID_BYTES),
            accept_pending=accept_pending,
            parent_token=parent_token,
        )
        return StepScope(self, request, approval_timeout_seconds)

    async def _held(self, step_id: str) -> AsyncIterator[steps_pb2.HoldResponse]:
        """Holds a step for as long as somebody listens. Raises StintError."""
        call = self._connected().unary_stream(
            _path_of(steps_pb2, "Steps.Hold"),
            request_serializer=_serialized,
            response_deserializer=steps_pb2.HoldResponse.FromString,
        )(steps_pb2.HoldRequest(step_id=step_id), metadata=SECURITY_HEADER)
        try:
            async for held in call:
                yield held
        except grpc.aio.AioRpcError as error:
            raise _error_of(error) from None
        finally:
            call.cancel()

    async def _close(self, step_id: str, outcome: steps_pb2.Outcome) -> steps_pb2.CloseResponse:
        request = steps_pb2.CloseRequest(step_id=step_id, outcome=outcome)
        return await self._call(steps_pb2, "Steps.Close", request, steps_pb2.CloseResponse)

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

    async def delegation_token(
        self, runtime: str, *, grant: Sequence[GrantElement] | None = None, uses: int = 1, ttl_seconds: int | None = None
    ) -> DelegationToken:
        """A new token by which another runtime opens children of the step.

        :param runtime: its registration entry's name; nobody else can use the token.
        :param grant: the most that a child may be granted. ``None``: all that the step may.
        :param uses: how many children, 1 to 100.
        :param ttl_seconds: 10 to 3,600; the token ends with the step in any case. ``None``: as long as a JWT-SVID of the step.
        :raises StintError: ENTRY_NOT_FOUND for an unknown runtime, GRANT_EXCEEDED, STEP_CLOSED, INVALID_FIELD and the like.
        """
        # On the wire 0 stands for one use.
        if uses < 1:
            raise invalid_field("uses", "a whole number from 1 to 100")
        request = credentials_pb2.IssueDelegationTokenRequest(step_id=self.step_id, runtime=runtime, uses=uses)
        if grant is not None:
            request.grant.CopyFrom(types_pb2.Grant(elements=[_element_of(element) for element in grant]))
        if ttl_seconds is not None:
            request.ttl.FromSeconds(ttl_seconds)
        issued = await self._runtime._call(
            credentials_pb2,
            "Credentials.IssueDelegationToken",
            request,
            credentials_pb2.IssueDelegationTokenResponse,
        )
        return DelegationToken(
            issued.token.token,
            issuance_id=issued.token.issuance_id,
            spiffe_id=issued.token.spiffe_id,
            runtime=runtime,
            expires_at=issued.token.expires_at.seconds,
        )

    async def _mint(self, audience: str) -> JwtSvid:
        wanted = credentials_pb2.JwtSvidWanted(audiences=[audience])
        request = credentials_pb2.IssueJwtSvidRequest(step_id=self.step_id, wanted=wanted)
        issued = await self._runtime._call(
            credentials_pb2, "Credentials.IssueJwtSvid", request, credentials_pb2.IssueJwtSvidResponse
        )
        return JwtSvid(issued.svid.svid, issued.svid.spiffe_id, audience, issued.svid.expires_at.seconds)


class StepScope:
    """What `Runtime.step` returns; enter it once."""

    def __init__(self, runtime: Runtime, request: steps_pb2.OpenRequest, approval_timeout_seconds: float | None) -> None:
        self._runtime, self._request = runtime, request
        self._approval_timeout_seconds = approval_timeout_seconds
        self._ended: StintError | None = None
        self._task: asyncio.Task[object] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._cancelled_before = 0
        self._step_id = ""

    async def __aenter__(self) -> Step:
        step = await self._opened()
        if step.state == types_pb2.StepState.STEP_STATE_PENDING_APPROVAL and self._request.accept_pending:
            step = await approved_step(
                step,
                self._runtime._held,
                lambda step_id: self._runtime._close(step_id, steps_pb2.Outcome.OUTCOME_CANCELLED),
                self._approval_timeout_seconds,
            )
        if step.state != types_pb2.StepState.STEP_STATE_OPEN:
            raise step_closed(name_of(step.state))
        self._step_id = step.step_id
        self._task = asyncio.current_task()
        self._cancelled_before = 0 if self._task is None else self._task.cancelling()
        self._holding = asyncio.get_running_loop().create_task(self._hold())
        return Step(self._runtime, step)

    async def _opened(self) -> types_pb2.Step:
        """As the broker answers. Of an opening that is cancelled meanwhile the answer is waited for all the same, and the step taken back:
        nobody else knows of it, and nobody is to approve it.
        """
        asking = asyncio.ensure_future(
            self._runtime._call(steps_pb2, "Steps.Open", self._request, steps_pb2.OpenResponse)
        )
        try:
            return (await asyncio.shield(asking)).step
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._take_back(asking)))
            raise

    async def _take_back(self, asking: asyncio.Future[steps_pb2.OpenResponse]) -> None:
        # If that can't be said, the broker ends the step in time: nobody holds it.
        with suppress(StintError):
            await self._runtime._close((await asking).step.step_id, steps_pb2.Outcome.OUTCOME_CANCELLED)

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
        try:
            closed = await self._runtime._close(self._step_id, outcome)
        except StintError:
            # A step whose close failed is no longer held, and so ends by itself.
            if kind is None:
                raise
            return
        state, said = name_of(closed.step.state), steps_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")
        if kind is None and state != said:
            raise step_closed(state)

    async def _hold(self) -> None:
        """Holds the step, and finds the hold again when it is lost, for as long as the broker keeps a step that nobody holds."""
        loop = asyncio.get_running_loop()
        lost_at = loop.time()
        while loop.time() - lost_at < _HOLD_GRACE_SECONDS:
            try:
                async for held in self._runtime._held(self._step_id):
                    lost_at = loop.time()
                    if held.step.state != types_pb2.StepState.STEP_STATE_OPEN:
                        return self._end(step_closed(name_of(held.step.state)))
                lost_at = loop.time()
            except StintError as refused:
                # A broken connection shows in several ways; only what the broker gave a reason for is its answer.
                if refused.code not in ("UNREACHABLE", "BROKER_FAILED", "NOT_SERVING"):
                    return self._end(refused)
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
