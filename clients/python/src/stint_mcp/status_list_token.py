"""Status list tokens, and the claim of a token that says in which of them it is. See draft-ietf-oauth-status-list."""

from dataclasses import dataclass

from stint_mcp.base64url import bytes_of_base64url
from stint_mcp.claims import claims_invalid, numeric_date_of
from stint_mcp.errors import VerificationError
from stint_mcp.event_signature import EventKeys, check_event_signature
from stint_mcp.grant import whole_number_of
from stint_mcp.jws import parse_jws, typed_claims_of
from stint_mcp.status_list import (
    STATUS_LIST_TTL_SECONDS,
    STATUS_SIZES,
    TokenStatus,
    status_list_name_in,
    status_list_uri,
)
from stint_mcp.strict_json import JsonObject


def status_of(claims: JsonObject, issuer: str) -> TokenStatus:
    """Where the status of a token stands.

    :param issuer: whose lists are the only ones that are looked at, whatever the token names.
    :raises VerificationError: CLAIMS_INVALID for a token that is in no list of this issuer.

    See section 6.1.
    """
    claimed = claims.get("status")
    status = claimed.get("status_list") if isinstance(claimed, dict) else None
    if not isinstance(status, dict):
        raise claims_invalid("status.status_list, since nothing else would tell of its end")
    uri, index = status.get("uri"), whole_number_of(status.get("idx"))
    name = status_list_name_in(issuer, uri) if isinstance(uri, str) else None
    if name is None:
        raise claims_invalid("status.status_list.uri of a list of the issuer")
    if index is None or not 0 <= index < 2**53:
        raise claims_invalid("status.status_list.idx as a whole number")
    return TokenStatus(name, index)


@dataclass(frozen=True, slots=True)
class VerifiedStatusList:
    """A status list token whose signature and claims hold; what it says is still compressed."""

    issued_at: int
    expires_at: int
    """Exclusive."""
    ttl_seconds: float
    """How long it may be used without asking for a newer one."""
    bits: int
    compressed: bytes
    """Of zlib."""


def verify_status_list_token(text: str, *, keys: EventKeys, issuer: str, name: str, now: float) -> VerifiedStatusList:
    """Verifies a status list token. That it was issued in the future is not looked at: it tells of the verifier's clock.

    :param name: of the list that was asked for.
    :param now: Unix seconds.
    :raises VerificationError: with one of its codes; never anything else.

    See sections 5.1 and 8.3.
    """
    jws = parse_jws(text, _malformed)
    algorithm, claims = typed_claims_of(jws, "statuslist+jwt", _malformed)
    check_event_signature(jws, algorithm, keys, "status list", _malformed)
    if claims.get("iss") != issuer:
        raise VerificationError("ISSUER_MISMATCH", "the status list is of another issuer")
    if claims.get("sub") != status_list_uri(issuer, name):
        raise VerificationError("SUBJECT_INVALID", "the status list is another one than was asked for")
    issued_at, expires_at = numeric_date_of(claims.get("iat")), numeric_date_of(claims.get("exp"))
    if issued_at is None or expires_at is None:
        raise _invalid("iat and exp as whole seconds since 1970")
    ttl = claims.get("ttl", STATUS_LIST_TTL_SECONDS)
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not ttl > 0:
        raise _invalid("ttl as seconds")
    # Written as "not yet over", so that a clock that is not a number refuses.
    if not now < expires_at:
        raise VerificationError("EXPIRED", "the status list has expired")
    bits, compressed = _statuses_in(claims.get("status_list"))
    return VerifiedStatusList(issued_at, expires_at, ttl, bits, compressed)


def _statuses_in(value: object) -> tuple[int, bytes]:
    members = value if isinstance(value, dict) else {}
    bits, lst = whole_number_of(members.get("bits")), members.get("lst")
    if bits not in STATUS_SIZES:
        raise _invalid(f"status_list.bits as one of {', '.join(map(str, STATUS_SIZES))}")
    compressed = bytes_of_base64url(lst) if isinstance(lst, str) else None
    if compressed is None:
        raise _invalid("status_list.lst as base64url without padding")
    return bits, compressed


def _malformed(expected: str) -> VerificationError:
    return VerificationError("TOKEN_MALFORMED", f"not a status list: expected {expected}")


def _invalid(expected: str) -> VerificationError:
    return VerificationError("CLAIMS_INVALID", f"claims of the status list: expected {expected}")
