"""A step whose token holds."""

from dataclasses import dataclass

from stint_mcp.claims import StepFacts, claims_invalid
from stint_mcp.confirmation import Confirmation
from stint_mcp.deny_list import DenyKey, DenyListEntry, jwt_key, spiffe_id_key, step_key
from stint_mcp.errors import VerificationError
from stint_mcp.grant import Grant
from stint_mcp.jwt_svid import VerifiedJwtSvid
from stint_mcp.strict_json import JsonObject


@dataclass(frozen=True, eq=False)
class VerifiedStep:
    """A step whose JWT-SVID holds, and was not denied when it was verified; comes from `Verifier.verify` alone.

    The token itself is not among it: a server could only pass it on, and the server that it were passed to could then act as the step
    here.
    """

    spiffe_id: str
    trust_domain: str
    audience: str
    """The verifier's own audience that the token is for."""
    issuer: str
    jti: str
    expires_at: int
    """Unix seconds, exclusive; accepted for 5 s more."""
    scopes: tuple[str, ...]
    grant: Grant
    """Empty for a step of a foreign trust domain, unless the verifier takes its grants."""
    step: StepFacts
    confirmation: Confirmation | None
    """What the token is bound to, and was presented with. ``None``: a bearer token."""
    federated: bool
    """Of a foreign trust domain: nothing is known here of its end."""
    claims: JsonObject
    """All claims as they came."""
    deny_keys: tuple[DenyKey, ...]
    """Every name by which the step or its credential can be denied."""


def verified_step_of(verified: VerifiedJwtSvid, *, federated: bool, grants: bool) -> VerifiedStep:
    """A verified JWT-SVID as one of a step.

    :param grants: whether what it is granted counts here.
    :raises VerificationError: CLAIMS_INVALID when it lacks a name by which it could be denied.
    """
    issuer, jti, step = verified.issuer, verified.jti, verified.step
    if issuer is None or jti is None or step is None:
        raise claims_invalid("iss, jti and the facts of a step")
    return VerifiedStep(
        spiffe_id=verified.spiffe_id,
        trust_domain=verified.trust_domain,
        audience=verified.audience,
        issuer=issuer,
        jti=jti,
        expires_at=verified.expires_at,
        scopes=verified.scopes if grants else (),
        grant=verified.grant if grants else (),
        step=step,
        confirmation=verified.confirmation,
        federated=federated,
        claims=verified.claims,
        deny_keys=(step_key(step.step_id), spiffe_id_key(verified.spiffe_id), jwt_key(issuer, jti)),
    )


def refusal_of(entry: DenyListEntry) -> VerificationError:
    """What a denial is to whoever presents what it names."""
    if entry.state is None:
        return VerificationError("REVOKED", "the credential was revoked", {"reason": entry.reason})
    return VerificationError("REVOKED", "the step has ended", {"reason": entry.reason, "state": entry.state})
