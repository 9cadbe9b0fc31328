"""The one JSON-RPC message of a request."""

import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from stint_mcp.grant import whole_number_of
from stint_mcp.guard.refusal import INVALID_REQUEST, PARSE_ERROR, Refusal, RequestId


@dataclass(frozen=True, slots=True)
class JsonRpcMessage:
    """A request or notification."""

    id: RequestId
    """``None`` for a notification."""
    method: str
    params: dict[str, Any]
    body: dict[str, Any]
    """As it was parsed: what the server must act on is what was looked at."""


@dataclass(frozen=True, slots=True)
class JsonRpcResponse:
    """What a client answers to a request of the server."""

    body: dict[str, Any]


def message_of(data: bytes) -> JsonRpcMessage | JsonRpcResponse | Refusal:
    """Reads a body. See MCP Streamable HTTP: a POST holds a single message."""
    try:
        body = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return malformed("the body is not JSON", code=PARSE_ERROR)
    # A batch would need an answer for each of its elements; MCP has none of them any more.
    if not isinstance(body, dict):
        return malformed("the body must be a single JSON-RPC message")
    if _is_response(body):
        return JsonRpcResponse(body)
    method, params = body.get("method"), body.get("params", {})
    is_message = body.get("jsonrpc") == "2.0" and isinstance(method, str) and isinstance(params, dict)
    if not is_message or ("id" in body and _id_of(body) is None):
        return malformed("the body must be a JSON-RPC request, notification or response")
    return JsonRpcMessage(_id_of(body), str(method), params, body)


def malformed(message: str, *, status: int = 400, code: int = INVALID_REQUEST) -> Refusal:
    """A request that is no message of MCP."""
    return Refusal(status, code, "REQUEST_MALFORMED", message)


def _id_of(body: dict[str, Any]) -> RequestId:
    value = body.get("id")
    return value if isinstance(value, str) else whole_number_of(value)


def _is_response(body: dict[str, Any]) -> bool:
    """With a method it would be a response to one reader and a request to the next."""
    if body.get("jsonrpc") != "2.0" or "method" in body or _id_of(body) is None:
        return False
    if "error" not in body:
        return isinstance(body.get("result"), dict)
    error = body["error"]
    is_error = isinstance(error, dict) and whole_number_of(error.get("code")) is not None
    return "result" not in body and is_error and isinstance(error.get("message"), str)


def _refuse(_constant: str) -> NoReturn:
    raise ValueError


NOT_IN_SESSION: Final = malformed("a JSON-RPC response must be sent in the session in which it was asked for")
