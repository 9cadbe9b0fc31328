"""Why a call of the broker failed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

_STATUS_DETAILS: Final = "grpc-status-details-bin"
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_DOMAIN: Final = "stint"
_UNANSWERED: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

_VARINT, _LENGTH_DELIMITED = 0, 2


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call that was refused or failed, as the caller sees it."""

    reason: str | None
    """The broker's, where it gave one; one that this version does not know is a refusal all the same."""
    message: str
    metadata: Mapping[str, str]
    unreachable: bool
    """Whether nobody answered: then this is no refusal, and nothing is known of what was done."""
    text: str
    """All of it in a few words."""


def call_failure_of(error: grpc.aio.AioRpcError) -> CallFailure:
    """What an error of gRPC says. Never raises."""
    code, message = error.code(), error.details() or ""
    info = _error_info_in(_details_of(error))
    if info is not None:
        reason, metadata = info
        return CallFailure(reason, message, metadata, unreachable=False, text=f"{reason}: {message}")
    return CallFailure(None, message, {}, unreachable=code in _UNANSWERED, text=code.name)


def _details_of(error: grpc.aio.AioRpcError) -> bytes:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            return value
    return b""


def _error_info_in(details: bytes) -> tuple[str, dict[str, str]] | None:
    """Reason and metadata of the broker's ErrorInfo in a google.rpc.Status: fewer lines than one more package would be."""
    try:
        for number, detail in _fields(details):
            members = dict(_fields(detail)) if number == 3 else {}
            if members.get(1) == _ERROR_INFO.encode():
                info = list(_fields(members.get(2, b"")))
                reason, domain = dict(info).get(1, b"").decode(), dict(info).get(2, b"").decode()
                pairs = [dict(_fields(pair)) for at, pair in info if at == 3]
                metadata = {pair.get(1, b"").decode(): pair.get(2, b"").decode() for pair in pairs}
                return (reason, metadata) if domain == _DOMAIN and reason != "" else None
    except (IndexError, ValueError):
        return None
    return None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message. Raises ValueError or IndexError for what is none."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        length, position = _varint(message, position)
        if tag & 7 == _LENGTH_DELIMITED:
            if position + length > len(message):
                raise ValueError
            yield tag >> 3, message[position : position + length]
            position += length
        elif tag & 7 != _VARINT:
            raise ValueError


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = message[position]
        value |= (octet & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if octet < 0x80:
            return value, position
