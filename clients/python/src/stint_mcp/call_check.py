"""Asks the broker about single calls."""

from dataclasses import dataclass
from typing import Final

import grpc.aio

from stint_mcp.call_error import call_failure_of
from stint_mcp.channel import SECURITY_HEADER, open_channel
from stint_mcp.errors import VerificationCode, VerificationError
from stint_mcp.gen.stint.v1 import authorizations_pb2
from stint_mcp.gen.stint.v1.authorizations_pb2 import CheckRequest, CheckResponse
from stint_mcp.gen.stint.v1.history_pb2 import Effect
from stint_mcp.grant import ToolUse

TIMEOUT_SECONDS_DEFAULT: Final = 2.0
"""A local socket answers within milliseconds, fsync included; what takes longer is no answer to a call that waits."""

_SERVICE = authorizations_pb2.DESCRIPTOR.services_by_name["Authorizations"]
_CHECK: Final = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['Check'].name}"

_CODES: Final[dict[str, VerificationCode]] = {
    "NO_IDENTITY": "REVOKED",
    "STEP_CLOSED": "REVOKED",
    "STEP_EXPIRING": "EXPIRED",
    "AUDIENCE_INVALID": "AUDIENCE_MISMATCH",
    "GRANT_EXCEEDED": "GRANT_EXCEEDED",
    "TOOL_NOT_ACCEPTED": "TOOL_NOT_ACCEPTED",
    "DECISION_OUTDATED": "UNAVAILABLE",
}
"""What a denial is to whoever presents the token; a reason that this version does not know is policy's."""

_QUOTES: Final = str.maketrans({'"': "'", "\\": "'"})
"""A message goes into a header's quoted string."""


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A call that the broker has allowed, and counted."""

    decision_id: str
    """By which it is found in the broker's history."""
    calls_left: int | None
    """How many more such calls the grant allows; ``None`` where it does not say how many."""


class CallCheck:
    """On a connection of its own, made when the first call is asked about."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._channel: grpc.aio.Channel | None = None

    async def ask(self, token: str, location: str, use: ToolUse, timeout_seconds: float) -> CheckedCall:
        """Raises VerificationError for anything but an allow."""
        if self._channel is None:
            self._channel = open_channel(self._endpoint)
        check = self._channel.unary_unary(
            _CHECK, request_serializer=CheckRequest.SerializeToString, response_deserializer=CheckResponse.FromString
        )
        request = CheckRequest(
            jwt_svid=token, location=location, tool=use.tool, actions=use.actions, datatypes=use.datatypes
        )
        try:
            answer: CheckResponse = await check(request, timeout=timeout_seconds, metadata=SECURITY_HEADER)
        except grpc.aio.AioRpcError as error:
            raise _unanswered_of(error) from None
        # Only an allow allows: an effect that this version does not know is none.
        if answer.effect != Effect.EFFECT_ALLOW:
            raise _denied_of(answer)
        return CheckedCall(answer.decision_id, answer.calls_left if answer.HasField("calls_left") else None)

    async def close(self) -> None:
        """Ends the connection."""
        if self._channel is not None:
            await self._channel.close()


def _denied_of(answer: CheckResponse) -> VerificationError:
    code = _CODES.get(answer.reason, "POLICY_DENIED")
    metadata = {**answer.metadata, "decision_id": answer.decision_id}
    return VerificationError(code, answer.message.translate(_QUOTES), metadata)


def _unanswered_of(error: grpc.aio.AioRpcError) -> VerificationError:
    """No answer is no permission."""
    failure = call_failure_of(error)
    if failure.reason == "LIMIT_EXCEEDED":
        return VerificationError("OVERLOADED", "the broker is asked too often")
    why = "the broker does not answer" if failure.unreachable else "the broker can't decide"
    return VerificationError("UNAVAILABLE", f"{why}, and this call needs its answer")
