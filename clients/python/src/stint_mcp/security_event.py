"""Security event tokens, and what one tells a verifier."""

from dataclasses import dataclass
from typing import Final, Literal

from stint_mcp.claims import numeric_date_of
from stint_mcp.deny_list import DenyKey, DenyListEntry, jwt_key, step_key
from stint_mcp.errors import VerificationError
from stint_mcp.event_signature import EventKeys, check_event_signature
from stint_mcp.jws import parse_jws, typed_claims_of
from stint_mcp.limits import DENIED_AFTER_EXPIRY_SECONDS, SVID_TTL_SECONDS_MAX
from stint_mcp.strict_json import JsonObject

SESSION_REVOKED: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
_CREDENTIAL_CHANGE: Final = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
_VERIFICATION: Final = "https://schemas.openid.net/secevent/ssf/event-type/verification"

_REMEMBERED_MS: Final = (SVID_TTL_SECONDS_MAX + DENIED_AFTER_EXPIRY_SECONDS) * 1_000
"""After the end of a step nothing is issued for it, so this long after it no credential of it could be valid."""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Of a token whose signature and claims hold."""

    jti: str
    issued_at: int
    event: str
    """The URI that names it."""
    said: JsonObject
    subject: JsonObject


def verify_security_event(text: str, *, keys: EventKeys, issuer: str, audience: str) -> SecurityEvent:
    """Verifies a security event token with one event. How old it is is not looked at: what was not received yet is sent again.

    :param audience: of the receiver's stream.
    :raises VerificationError: with one of its codes; never anything else.

    See RFC 8417 section 2, SSF 1.0 section 4.
    """
    jws = parse_jws(text, _malformed)
    algorithm, claims = typed_claims_of(jws, "secevent+jwt", _malformed)
    check_event_signature(jws, algorithm, keys, "security event", _malformed)
    if claims.get("iss") != issuer:
        raise VerificationError("ISSUER_MISMATCH", "the security event is of another issuer")
    if claims.get("aud") != audience:
        raise VerificationError("AUDIENCE_MISMATCH", "the security event is for another receiver")
    jti, issued_at, subject = claims.get("jti"), numeric_date_of(claims.get("iat")), claims.get("sub_id")
    events = claims.get("events")
    if (
        not isinstance(jti, str)
        or jti == ""
        or issued_at is None
        or not isinstance(subject, dict)
        or not isinstance(events, dict)
        or len(events) != 1
    ):
        raise _invalid("jti, iat, sub_id and one event")
    ((event, said),) = events.items()
    if not isinstance(said, dict):
        raise _invalid("jti, iat, sub_id and one event")
    return SecurityEvent(jti, issued_at, event, said, subject)


@dataclass(frozen=True, slots=True)
class Told:
    """What an event tells a verifier.

    ``verification``: that the stream works, with the text that somebody has asked for. ``certificate``: of one, which is not taken here.
    """

    kind: Literal["denial", "verification", "certificate"]
    entry: DenyListEntry | None = None
    state: object = None


def told_by(event: SecurityEvent, now_ms: float) -> Told:
    """What a security event denies.

    :param now_ms: Unix milliseconds: not before the event came.
    :raises VerificationError: CLAIMS_INVALID for an event that names nothing that this version knows: what was meant to be denied would be
        let in.

    See CAEP 1.0 sections 3.1 and 3.3, RFC 9493 section 3, SSF 1.0 sections 3 and 8.1.4.1.
    """
    if event.event == _VERIFICATION:
        return Told("verification", state=event.said.get("state"))
    if event.event == _CREDENTIAL_CHANGE:
        return Told("certificate")
    key, state = _denied_by(event.subject) if event.event == SESSION_REVOKED else (None, None)
    if key is None:
        raise _invalid("one that is known here")
    forget_after_ms = max(now_ms, event.issued_at * 1_000) + _REMEMBERED_MS
    return Told("denial", DenyListEntry((key,), "unspecified", state, 0, forget_after_ms))


def _denied_by(subject: JsonObject) -> tuple[DenyKey | None, str | None]:
    """A token, or a step with the state in which it ended."""
    kind, issuer, jti, session = (subject.get(name) for name in ("format", "iss", "jti", "session"))
    if kind == "jwt_id" and isinstance(issuer, str) and isinstance(jti, str):
        return jwt_key(issuer, jti), None
    is_session = kind == "complex" and isinstance(session, dict) and session.get("format") == "opaque"
    step_id = session.get("id") if is_session and isinstance(session, dict) else None
    # An event does not say in which state the step ended.
    return (step_key(step_id), "UNKNOWN") if isinstance(step_id, str) else (None, None)


def _malformed(expected: str) -> VerificationError:
    return VerificationError("TOKEN_MALFORMED", f"not a security event: expected {expected}")


def _invalid(expected: str) -> VerificationError:
    return VerificationError("CLAIMS_INVALID", f"claims of the security event: expected {expected}")
