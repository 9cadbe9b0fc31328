"""The claims of a token whose signature holds: registered ones, and those of a step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stint_mcp.errors import StintError, VerificationError
from stint_mcp.grant import Grant, parse_grant, whole_number_of
from stint_mcp.limits import VERIFIER_LEEWAY_SECONDS
from stint_mcp.spiffe_id import SpiffeId, spiffe_id_of, step_name_of
from stint_mcp.strict_json import JsonObject

_NUMERIC_DATE_MAX: Final = 253_402_300_799
"""9999-12-31T23:59:59Z; a number above it is no instant that a clock can print."""

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
"""Scope tokens of RFC 6749 appendix A.4, joined by single spaces."""


def claims_invalid(expected: str) -> VerificationError:
    """A claim is missing, or not what it has to be."""
    return VerificationError("CLAIMS_INVALID", f"claims of the token: expected {expected}")


def subject_of(claims: JsonObject) -> SpiffeId:
    """The SPIFFE ID of the workload that a token identifies.

    Raises VerificationError SUBJECT_INVALID. See JWT-SVID section 3.1.
    """
    subject = claims.get("sub")
    spiffe_id = spiffe_id_of(subject) if isinstance(subject, str) else None
    if spiffe_id is None or spiffe_id.path == "":
        raise VerificationError("SUBJECT_INVALID", "the subject is not a SPIFFE ID with a path")
    return spiffe_id


@dataclass(frozen=True, slots=True)
class Times:
    """Unix seconds."""

    expires_at: int
    not_before: int | None
    issued_at: int | None


def times_of(claims: JsonObject, now: float) -> Times:
    """The times of a token that is valid at ``now``, Unix seconds.

    Raises VerificationError CLAIMS_INVALID, EXPIRED or NOT_YET_VALID. See RFC 7519 sections 4.1.4 to 4.1.6.
    """
    expires_at = _instant_of(claims, "exp")
    not_before = _instant_of(claims, "nbf")
    issued_at = _instant_of(claims, "iat")
    if expires_at is None:
        raise claims_invalid("exp")
    # Written as "not yet over" and "has begun", so that a clock that is not a number refuses.
    if not now < expires_at + VERIFIER_LEEWAY_SECONDS:
        raise VerificationError("EXPIRED", "the token has expired")
    for begin in (not_before, issued_at):
        if begin is None:
            continue
        if begin > expires_at:
            raise claims_invalid("exp after nbf and iat")
        if not now >= begin - VERIFIER_LEEWAY_SECONDS:
            raise VerificationError("NOT_YET_VALID", "the token is not valid yet")
    return Times(expires_at, not_before, issued_at)


def _instant_of(claims: JsonObject, name: str) -> int | None:
    if name not in claims:
        return None
    instant = numeric_date_of(claims[name])
    if instant is None:
        raise claims_invalid(f"{name} as whole seconds since 1970")
    return instant


def numeric_date_of(value: object) -> int | None:
    """A NumericDate in whole seconds, as everybody writes it; ``None`` for anything else. See RFC 7519 section 2."""
    instant = whole_number_of(value)
    return instant if instant is not None and 0 <= instant <= _NUMERIC_DATE_MAX else None


def audience_of(claims: JsonObject, own_audiences: Sequence[str], *, allow_several: bool) -> str:
    """The one of the verifier's own audiences that the token is for; compared exactly.

    Raises VerificationError CLAIMS_INVALID or AUDIENCE_MISMATCH. See RFC 7519 section 4.1.3.
    """
    aud = claims.get("aud")
    audiences = aud if isinstance(aud, list) else [aud]
    if len(audiences) == 0 or not all(isinstance(one, str) and one != "" for one in audiences):
        raise claims_invalid("aud as a string or a list of strings")
    own = next((one for one in own_audiences if one in audiences), None)
    if own is None:
        raise VerificationError("AUDIENCE_MISMATCH", "the token is for another audience")
    if len(audiences) > 1:
        if not allow_several:
            raise VerificationError("AUDIENCE_MISMATCH", "the token is for several audiences")
        if "authorization_details" in claims or "scope" in claims:
            raise claims_invalid("no grant for several audiences")
    return own


def text_of(value: object, name: str) -> str:
    """A claim that must be a text; raises VerificationError CLAIMS_INVALID."""
    if not isinstance(value, str) or value == "":
        raise claims_invalid(f"{name} as a string")
    return value


def optional_text(claims: JsonObject, name: str) -> str | None:
    """A claim that must be a text where it is there; raises VerificationError CLAIMS_INVALID."""
    return text_of(claims[name], name) if name in claims else None


def scopes_of(claims: JsonObject) -> tuple[str, ...]:
    """The words of ``scope``; empty when there is none. Raises VerificationError CLAIMS_INVALID."""
    scope = claims.get("scope", "")
    if scope == "":
        return ()
    if not isinstance(scope, str) or _SCOPE.fullmatch(scope) is None:
        raise claims_invalid("scope as words joined by single spaces")
    return tuple(scope.split(" "))


def grant_of(claims: JsonObject) -> Grant:
    """``authorization_details``; empty when there are none.

    An element of a type that is not ours is refused rather than skipped: raises VerificationError CLAIMS_INVALID.
    """
    if "authorization_details" not in claims:
        return ()
    try:
        return parse_grant(claims["authorization_details"])
    except StintError:
        raise claims_invalid("authorization_details of type mcp_tool") from None


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or service, by their login."""

    iss: str
    sub: str


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What a token says of the step that it identifies."""

    step_id: str
    run_id: str
    step: str
    attempt: int
    agent: str
    """The agent's stable SPIFFE ID."""
    workflow: str | None = None
    parent_step_id: str | None = None
    """Of a delegated step."""
    principal: Principal | None = None
    """On whose behalf the run works, where that was verified."""


def step_facts_of(claims: JsonObject, spiffe_id: SpiffeId) -> StepFacts | None:
    """The step facts in a token's claims; ``None`` when the claims name no step.

    Flat claims repeat what the SPIFFE ID says, and a token whose claims and SPIFFE ID differ is refused: one reader would believe the
    claims, the next the SPIFFE ID. Raises VerificationError CLAIMS_INVALID.
    """
    if "step_id" not in claims:
        return None
    name = step_name_of(spiffe_id)
    named = (claims.get("run_id"), claims.get("step"), whole_number_of(claims.get("attempt")))
    if name is None or named != (name.run_id, name.step, name.attempt):
        raise claims_invalid("run_id, step and attempt as the subject has them")
    step_id = text_of(claims["step_id"], "step_id")
    if claims.get("client_id") != name.agent:
        raise claims_invalid("client_id as the agent of the subject")
    return StepFacts(
        step_id=step_id,
        run_id=name.run_id,
        step=name.step,
        attempt=name.attempt,
        agent=name.agent,
        workflow=optional_text(claims, "workflow"),
        parent_step_id=optional_text(claims, "parent_step_id"),
        principal=_principal_of(claims["principal"]) if "principal" in claims else None,
    )


def _principal_of(value: object) -> Principal:
    if not isinstance(value, dict):
        raise claims_invalid("principal as an object")
    return Principal(text_of(value.get("iss"), "principal.iss"), text_of(value.get("sub"), "principal.sub"))
