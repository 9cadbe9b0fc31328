"""Verification of JWT-SVIDs against bundles: no network, no state."""

from collections.abc import Sequence
from dataclasses import dataclass

from stint_mcp.claims import (
    StepFacts,
    audience_of,
    claims_invalid,
    grant_of,
    optional_text,
    scopes_of,
    step_facts_of,
    subject_of,
    times_of,
)
from stint_mcp.confirmation import Confirmation, Possession, confirmation_of
from stint_mcp.errors import VerificationError
from stint_mcp.grant import Grant
from stint_mcp.jws import CompactJws, malformed, parse_compact_jws
from stint_mcp.keys import JWS_ALGORITHMS, BundleSet
from stint_mcp.limits import JWT_PRESENTED_BYTES_MAX
from stint_mcp.spiffe_id import SpiffeId
from stint_mcp.strict_json import JsonObject, parse_strict_object

_TYPES = frozenset({None, "JWT", "JOSE"})
_NOTHING = Possession()


@dataclass(frozen=True, slots=True)
class VerifiedJwtSvid:
    """A JWT-SVID whose signature, subject, audience and times hold. Revocation is not looked at here."""

    spiffe_id: str
    trust_domain: str
    audience: str
    """The verifier's own audience that the token is for."""
    key_id: str
    issuer: str | None
    jti: str | None
    client_id: str | None
    expires_at: int
    """Unix seconds, exclusive; the token is accepted for `VERIFIER_LEEWAY_SECONDS` more."""
    not_before: int | None
    issued_at: int | None
    scopes: tuple[str, ...]
    grant: Grant
    """``authorization_details``; empty when the token only identifies."""
    confirmation: Confirmation | None
    """What the token is bound to, and was presented with. ``None``: a bearer token."""
    step: StepFacts | None
    """Set when the subject is a step."""
    claims: JsonObject
    """All claims as they came."""


def verify_jwt_svid(
    token: str,
    *,
    bundles: BundleSet,
    audiences: Sequence[str],
    now: float,
    development: bool = False,
    allow_several_audiences: bool = False,
    confirmation: Possession = _NOTHING,
) -> VerifiedJwtSvid:
    """Verifies a JWT-SVID. Before the signature holds, nothing of the token is believed but where to look for its key.

    Time, with 5 s of leeway: refused from ``exp + 5`` on, and before ``nbf - 5`` or ``iat - 5``. A delegation token is refused
    whatever the audience, and so is all that is for a broker.

    :param token: the JWS in compact serialization, without ``Bearer``.
    :param audiences: the verifier's own; one of them must be the token's.
    :param now: the verifier's clock in Unix seconds, rounded down.
    :param development: accepts trust domains that are for development only.
    :param allow_several_audiences: accepts a token that is also for other audiences; it identifies and grants nothing.
    :param confirmation: what the presenter has proved to possess. Default: nothing.
    :raises VerificationError: for every token that does not hold; never anything else.

    See JWT-SVID sections 2 to 5, RFC 8725 section 3.
    """
    if not isinstance(token, str) or len(token) > JWT_PRESENTED_BYTES_MAX:
        raise malformed(f"a string of at most {JWT_PRESENTED_BYTES_MAX} characters")
    jws = parse_compact_jws(token)
    if jws.type not in _TYPES:
        raise malformed("typ JWT or JOSE, or none")
    claims = parse_strict_object(jws.payload)
    if claims is None:
        raise malformed("a JSON object without repeated members as its claims")
    spiffe_id = subject_of(claims)
    _check_signature(jws, spiffe_id, bundles, development=development)

    times = times_of(claims, now)
    audience = audience_of(claims, audiences, allow_several=allow_several_audiences)
    issuer = optional_text(claims, "iss")
    _check_issuer(issuer, spiffe_id.trust_domain, bundles)
    bound_to = confirmation_of(claims, confirmation)
    step = step_facts_of(claims, spiffe_id)
    jti = optional_text(claims, "jti")
    client_id = optional_text(claims, "client_id")
    verified = VerifiedJwtSvid(
        spiffe_id=spiffe_id.text,
        trust_domain=spiffe_id.trust_domain,
        audience=audience,
        key_id=jws.key_id,
        issuer=issuer,
        jti=jti,
        client_id=client_id,
        expires_at=times.expires_at,
        not_before=times.not_before,
        issued_at=times.issued_at,
        scopes=scopes_of(claims),
        grant=grant_of(claims),
        confirmation=bound_to,
        step=step,
        claims=claims,
    )
    if "may_act" in claims:
        raise claims_invalid("no may_act: a delegation token is for its broker")
    if _is_broker_audience(audience):
        raise VerificationError("AUDIENCE_MISMATCH", "the token is for a broker")
    return verified


def _check_signature(jws: CompactJws, spiffe_id: SpiffeId, bundles: BundleSet, *, development: bool) -> None:
    """The key is looked up by trust domain first and by ``kid`` second, so that none can sign for another's names."""
    if jws.algorithm not in JWS_ALGORITHMS:
        raise VerificationError("ALGORITHM_REFUSED", "the algorithm is none that SVIDs may be signed with")
    bundle = bundles.get(spiffe_id.trust_domain)
    if bundle is None:
        raise VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is not known here")
    if bundle.development and not development:
        raise VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is for development only")
    key = bundle.keys.get(jws.key_id)
    if key is None:
        raise VerificationError("KEY_UNKNOWN", "the key is none of those of the trust domain of the subject")
    if jws.algorithm not in key.algorithms:
        raise VerificationError("ALGORITHM_REFUSED", "the algorithm is not one of the key")
    if not key.verifies(jws.algorithm, jws.signed, jws.signature):
        raise VerificationError("SIGNATURE_INVALID", "the signature does not hold")


def _check_issuer(issuer: str | None, trust_domain: str, bundles: BundleSet) -> None:
    """Where a trust domain's issuer is not known, ``iss`` may be any but the known issuer of another trust domain."""
    own = bundles.get(trust_domain)
    expected = None if own is None else own.issuer
    is_anothers = issuer is not None and any(
        other.issuer == issuer for other in bundles.values() if other.trust_domain != trust_domain
    )
    if is_anothers or (expected is not None and issuer != expected):
        raise VerificationError("ISSUER_MISMATCH", "the issuer is not the one of the trust domain")


def _is_broker_audience(audience: str) -> bool:
    """Whether an audience is a broker's, of any trust domain; nobody else may answer for it."""
    return audience.startswith("spiffe://") and audience.endswith("/stint/server") and audience.count("/") == 4
