"""Answers that say no: the words, headers and bodies of the TypeScript guard."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from stint_mcp.errors import VerificationError
from stint_mcp.grant import GrantElement
from stint_mcp.keys import JWS_ALGORITHMS

PARSE_ERROR: Final = -32_700
INVALID_REQUEST: Final = -32_600
METHOD_NOT_FOUND: Final = -32_601
INVALID_PARAMS: Final = -32_602
SESSION_NOT_FOUND: Final = -32_001
HEADER_MISMATCH: Final = -32_020
REFUSED: Final = -32_010
"""For every refusal of authority that another token could mend; ``data.reason`` says which."""

_RETRY_AFTER_SECONDS: Final = 2
"""How soon a client may try a verifier again that has lost its feed: it reconnects within two seconds."""

_DESCRIBED_CHARACTERS_MAX: Final = 1_024
"""What a header may grow by; what is longer is in the body alone."""

_NOT_QUOTABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
"""RFC 6750 section 3: printable ASCII without quotation mark and backslash."""

RequestId = str | int | None


Scheme = Literal["Bearer", "DPoP"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A scheme that would do."""

    scheme: Scheme
    error: str | None
    """``None`` for whoever brought no token: they are told no error, only where tokens come from."""
    scope: str | None


@dataclass(frozen=True, slots=True)
class ChallengeTerms:
    """What a challenge depends on beside the error."""

    scheme: Scheme = "Bearer"
    """Of the request."""
    dpop: bool = False
    """Whether DPoP is taken here."""
    scope: str | None = None
    """What the request takes, where that is known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says no."""

    status: int
    code: int
    reason: str
    """The verifier's words, but for a step that has ended, which is ``STEP_CLOSED``; or the guard's own."""
    message: str
    """Without quotation marks: it goes into a header's quoted string."""
    details: Mapping[str, str] = field(default_factory=dict)
    """For ``data``, beside the reason."""
    refused: GrantElement | None = None
    """Of a call that the step may not make: what it would have taken."""
    approval: str | None = None
    """The role that may approve the call; ``None`` where approving can't help."""
    challenges: tuple["Challenge", ...] = ()
    """What ``WWW-Authenticate`` says; none: there is no such header."""
    headers: Mapping[str, str] = field(default_factory=dict)


INTERNAL: Final = Refusal(500, -32_603, "INTERNAL", "internal error")


def refusal_of(error: VerificationError, terms: ChallengeTerms, use: GrantElement | None = None) -> Refusal:
    """What a verification error means to a client: 401 with a new token or proof, 403 with a wider grant, 503 later.

    A verifier that cannot tell is no reason to ask for new tokens, hence not 401. See RFC 6750 section 3.1, RFC 9449 section 7.1, MCP
    authorization.

    :param use: what the call takes, as an element of a grant.
    """
    state = error.metadata.get("state")
    is_ended = error.code == "REVOKED" and state is not None
    decision_id = error.metadata.get("decision_id")
    details = {
        **({"state": state} if is_ended and state is not None else {}),
        **({} if decision_id is None else {"decision_id": decision_id}),
    }
    reason = "STEP_CLOSED" if is_ended else error.code

    def refusal(status: int, *challenges: Challenge, **more: Any) -> Refusal:
        return Refusal(status, REFUSED, reason, error.message, details, challenges=challenges, **more)

    def challenge(scheme: Scheme, text: str | None) -> Challenge:
        return Challenge(scheme, text, terms.scope)

    also = (challenge("DPoP", None),) if terms.dpop else ()
    if error.fault == "verifier":
        return refusal(503, headers={"retry-after": str(_RETRY_AFTER_SECONDS)})
    if error.fault == "grant":
        approval = error.metadata.get("approval")
        return refusal(403, challenge(terms.scheme, "insufficient_scope"), refused=use, approval=approval)
    if error.code == "TOKEN_MISSING":
        return refusal(401, challenge("Bearer", None), *also)
    if error.code == "REQUEST_MALFORMED":
        return refusal(400, challenge("Bearer", "invalid_request"))
    if error.code in ("PROOF_INVALID", "PROOF_REPLAYED"):
        return refusal(401, challenge("DPoP", "invalid_dpop_proof"))
    if error.code == "PROOF_REQUIRED":
        if error.metadata.get("proof") == "dpop" and terms.dpop:
            return refusal(401, challenge("DPoP", "invalid_token"))
        return refusal(401, challenge("Bearer", "invalid_token"), *also)
    return refusal(401, challenge(terms.scheme, "invalid_token"))


def error_message_of(refused: Refusal, request_id: RequestId) -> bytes:
    """The JSON-RPC error of a refusal."""
    data = {"reason": refused.reason, **refused.details, **_denial_data_of(refused)}
    error = {"code": refused.code, "message": refused.message, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}, separators=(",", ":")).encode()


def headers_of(refused: Refusal, metadata_url: str) -> list[tuple[bytes, bytes]]:
    """The headers of a refusal, as ASGI has them."""
    headers = {"content-type": "application/json", "cache-control": "no-store", **refused.headers}
    if refused.challenges:
        # The word as well, since of a 403 with a challenge the official client shows nothing but this description.
        description = _NOT_QUOTABLE.sub(" ", f"{refused.reason}: {refused.message}{_described(refused)}")
        texts = [_challenge_text(one, description, metadata_url) for one in refused.challenges]
        headers["www-authenticate"] = ", ".join(texts)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _challenge_text(challenge: Challenge, description: str, metadata_url: str) -> str:
    parameters = []
    if challenge.error is not None:
        parameters += [f'error="{challenge.error}"', f'error_description="{description}"']
    if challenge.scope is not None:
        parameters.append(f'scope="{challenge.scope}"')
    # RFC 9449 section 7.1.
    if challenge.scheme == "DPoP":
        parameters.append(f'algs="{" ".join(JWS_ALGORITHMS)}"')
    parameters.append(f'resource_metadata="{metadata_url}"')
    return f"{challenge.scheme} {', '.join(parameters)}"


def _denial_data_of(refused: Refusal) -> dict[str, Any]:
    """What was refused of authority; where a wider token would do, a hint says which. See SEP-2643, a draft."""
    if refused.refused is None:
        return {}
    element = refused.refused.as_json()
    hint = {"type": "oauth_authorization_details", "authorization_details": [element]}
    decision_id = refused.details.get("decision_id")
    authorization = {
        "reason": "insufficient_authorization",
        **({} if decision_id is None else {"authorizationContextId": decision_id}),
        **({"remediationHints": [hint]} if refused.reason == "GRANT_EXCEEDED" else {}),
    }
    approval = {} if refused.approval is None else {"approval": refused.approval}
    return {"refused": [element], **approval, "authorization": authorization}


def _described(refused: Refusal) -> str:
    """The same for a challenge's description."""
    element = refused.refused
    if element is None:
        return ""
    decision_id = refused.details.get("decision_id")
    short = [
        *([] if decision_id is None else [f"decision: {decision_id}"]),
        *([] if refused.approval is None else [f"approval: {refused.approval}"]),
    ]
    use = f"to {','.join(element.actions)} of {','.join(element.datatypes)}"
    told = "; ".join([f"refused: {element.identifier} at {','.join(element.locations)} {use}", *short])
    if len(told) <= _DESCRIBED_CHARACTERS_MAX:
        return f" ({told})"
    return f" ({'; '.join(short)})" if short else ""
