"""Whether a step may send a message."""

from typing import Final

from stint_mcp.errors import VerificationError
from stint_mcp.grant import ToolUse
from stint_mcp.guard.headers import Headers, decode_header_value, scheme_named
from stint_mcp.guard.message import JsonRpcMessage, malformed
from stint_mcp.guard.refusal import HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, ChallengeTerms, Refusal, refusal_of
from stint_mcp.guard.settings import CALL, GuardSettings, is_other_method, scope_of_tool
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.verifier import Verifier

_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
_MODERN_SINCE: Final = "2026-07-28"
"""From this revision on, the standard headers are required, and there are no sessions."""


def authorize_message(
    settings: GuardSettings, verifier: Verifier, step: VerifiedStep, message: JsonRpcMessage, headers: Headers
) -> ToolUse | Refusal | None:
    """A tool's call by the tool map and the step's grant, anything else by the list of methods.

    The standard headers, by which a proxy may already have decided, must say the same as the body. See MCP Streamable HTTP, standard
    headers.

    Returns the use of a permitted call, or ``None`` for another permitted message.
    """
    modern = is_modern(message, headers)
    mismatch = _header_mismatch(message, headers, modern=modern)
    if mismatch is not None:
        return Refusal(400, HEADER_MISMATCH, "HEADER_MISMATCH", mismatch)
    if "requestState" in message.params:
        # The guard seals none, so it can't know whose this one is.
        text = "the requestState is not one that was given to this step for this request"
        return Refusal(200, INVALID_PARAMS, "REQUEST_STATE_INVALID", text)
    if message.method == CALL:
        return _authorize_call(settings, verifier, step, message, headers)
    if is_other_method(settings.other_methods, message.method):
        return None
    # No 403, since there is no token that would help: it is as if there were no such method. In the older protocol 404 would say that
    # the session is gone, and what has no answer can be refused by its status alone.
    status = 404 if modern else 400 if message.id is None else 200
    text = "the method is not one that this server permits"
    return Refusal(status, METHOD_NOT_FOUND, "METHOD_REFUSED", text)


def _authorize_call(
    settings: GuardSettings, verifier: Verifier, step: VerifiedStep, message: JsonRpcMessage, headers: Headers
) -> ToolUse | Refusal:
    name = message.params.get("name")
    if not isinstance(name, str) or message.id is None:
        return malformed("tools/call must be a request that names its tool")
    use = settings.uses.get(name)
    if use is None:
        # As a server answers that has no such tool.
        return Refusal(200, INVALID_PARAMS, "TOOL_UNDECLARED", "the tool is not one that this server permits")
    try:
        verifier.authorize(step, use)
    except VerificationError as error:
        # Who serves the call has the broker asked about it.
        if error.code == "CHECK_REQUIRED":
            return use
        verifier.report(step, use, "refused")
        return refusal_of(error, challenge_terms_of(settings, headers, scope_of_tool(name)), settings.elements[name])
    return use


def _header_mismatch(message: JsonRpcMessage, headers: Headers, *, modern: bool) -> str | None:
    required = message.id is not None and modern
    method = headers.get("mcp-method")
    if required if method is None else method != message.method:
        return "the header Mcp-Method must be the method of the body"
    # What other methods have in Mcp-Name decides nothing here, and is the server's to check.
    if message.method != CALL:
        return None
    name = headers.get("mcp-name")
    if required if name is None else decode_header_value(name) != message.params.get("name"):
        return "the header Mcp-Name must be the name of the tool in the body"
    # Which argument each of these mirrors the tool's schema says, so that the rest is the server's to compare.
    if modern and any(decode_header_value(value) is None for value in headers.with_prefix("mcp-param-")):
        return "a header Mcp-Param must be text, or Base64 of UTF-8 in its frame"
    return None


def is_modern(message: JsonRpcMessage | None, headers: Headers) -> bool:
    """Whether a request is of the protocol without sessions, whose requests say by themselves all there is to know."""
    meta = None if message is None else message.params.get("_meta")
    is_claimed = isinstance(meta, dict) and _VERSION_KEY in meta
    return is_claimed or (headers.get("mcp-protocol-version") or "") >= _MODERN_SINCE


def challenge_terms_of(settings: GuardSettings, headers: Headers, scope: str | None) -> ChallengeTerms:
    """What a challenge depends on beside the error.

    :param scope: what the request takes, where that is known.
    """
    is_dpop = settings.dpop and scheme_named(headers) == "dpop"
    return ChallengeTerms("DPoP" if is_dpop else "Bearer", settings.dpop, scope)


def scope_by_headers(settings: GuardSettings, headers: Headers) -> str | None:
    """The scope that a request takes, as far as its headers tell before its body is read."""
    name = decode_header_value(headers.get("mcp-name") or "") or ""
    is_call = headers.get("mcp-method") == CALL and name in settings.uses
    return scope_of_tool(name) if is_call else None
