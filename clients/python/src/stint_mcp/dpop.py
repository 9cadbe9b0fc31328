"""Proofs of possession of the key that a token is bound to."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from stint_mcp.base64url import base64url_of, bytes_of_base64url
from stint_mcp.errors import VerificationError
from stint_mcp.grant import whole_number_of
from stint_mcp.jws import parse_jws, typed_claims_of
from stint_mcp.keys import VerificationKey, verification_key_of
from stint_mcp.limits import JWT_PRESENTED_BYTES_MAX
from stint_mcp.strict_json import JsonObject
from stint_mcp.target_uri import normalize_target_uri

DPOP_AGE_SECONDS_MAX: Final = 60
"""How long ago a proof may have been made."""
DPOP_AHEAD_SECONDS_MAX: Final = 5
"""A client's clock may be ahead; less than its proofs may be late, since it costs nothing to send one later."""

_JTI_LENGTH_MAX: Final = 256
"""Longer than any UUID or random number in any encoding; a longer ``jti`` was made to cost memory."""
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1."""


@dataclass(frozen=True, slots=True)
class DpopProof:
    """Taken apart; it is not shown yet that its sender has the key."""

    key: VerificationKey
    algorithm: str
    jkt: str
    """The key's thumbprint: RFC 7638 with SHA-256."""
    claims: JsonObject
    signed: bytes
    signature: bytes


def parse_dpop_proof(text: str) -> DpopProof:
    """Takes the value of a DPoP header apart. Raises VerificationError PROOF_INVALID. See RFC 9449 section 4.2."""
    if len(text) > JWT_PRESENTED_BYTES_MAX:
        raise _invalid(f"a string of at most {JWT_PRESENTED_BYTES_MAX} characters")
    if "," in text:
        raise _invalid("a single one")
    jws = parse_jws(text, _invalid)
    algorithm, claims = typed_claims_of(jws, "dpop+jwt", _invalid)
    key = _key_of(jws.header.get("jwk"), algorithm)
    return DpopProof(key, algorithm, thumbprint_of(key), claims, jws.signed, jws.signature)


def verify_dpop_proof(proof: DpopProof, *, method: str, url: str, token: str, now: int) -> str:
    """Whether a proof shows possession of its key, for this request and this token, now.

    It is left to a `ReplayCache` to tell whether the proof was used before.

    :param url: as the client wrote it, without query and fragment.
    :param now: Unix seconds.
    :returns: the ``jti`` of the proof.
    :raises VerificationError: PROOF_INVALID.

    See RFC 9449 section 4.3.
    """
    claims = proof.claims
    if not proof.key.verifies(proof.algorithm, proof.signed, proof.signature):
        raise _invalid("a signature by the key in its header")
    if claims.get("htm") != method:
        raise _invalid("htm as the method of the request")
    target, htu = normalize_target_uri(url), claims.get("htu")
    if target is None or not isinstance(htu, str) or normalize_target_uri(htu) != target:
        raise _invalid("htu as the URI of the request, without query and fragment")
    if claims.get("ath") != base64url_of(sha256(token.encode()).digest()):
        raise _invalid("ath as the hash of the access token")
    issued_at = whole_number_of(claims.get("iat"))
    if issued_at is None or issued_at < 0:
        raise _invalid("iat as whole seconds since 1970")
    if not now <= issued_at + DPOP_AGE_SECONDS_MAX:
        raise _invalid("one that was made just now; this one is old")
    if not now >= issued_at - DPOP_AHEAD_SECONDS_MAX:
        raise _invalid("one that was made just now; its iat is ahead")
    jti = claims.get("jti")
    if not isinstance(jti, str) or jti == "" or len(jti) > _JTI_LENGTH_MAX:
        raise _invalid(f"jti as a string of at most {_JTI_LENGTH_MAX} characters")
    return jti


def thumbprint_of(key: VerificationKey) -> str:
    """Over the key's values and not over a JWK's text, so that a key has only one. See RFC 7638 section 3."""
    public = key.key
    if isinstance(public, ec.EllipticCurvePublicKey):
        length = (public.key_size + 7) // 8
        point = public.public_numbers()
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        members = {
            "crv": names[public.curve.name],
            "kty": "EC",
            "x": base64url_of(point.x.to_bytes(length, "big")),
            "y": base64url_of(point.y.to_bytes(length, "big")),
        }
    else:
        numbers = public.public_numbers()
        members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    return base64url_of(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _number(value: int) -> str:
    return base64url_of(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _key_of(jwk: object, algorithm: str) -> VerificationKey:
    if not isinstance(jwk, dict):
        raise _invalid("a JWK")
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise _invalid("a public JWK; this one is private, and to be replaced")
    key = verification_key_of({name: value for name, value in jwk.items() if name != "alg"}) if _is_whole(jwk) else None
    if key is None or algorithm not in key.algorithms:
        raise _invalid("a JWK for one of the algorithms of SVIDs")
    return key


def _is_whole(jwk: dict[str, Any]) -> bool:
    """Whether all of a key is there, each number in base64url."""
    numbers = {"EC": ("x", "y"), "RSA": ("n", "e")}.get(jwk["kty"]) if isinstance(jwk.get("kty"), str) else None
    if numbers is None or (jwk["kty"] == "EC" and not isinstance(jwk.get("crv"), str)):
        return False
    return all(isinstance(jwk.get(name), str) and bytes_of_base64url(jwk[name]) for name in numbers)


def _invalid(expected: str) -> VerificationError:
    return VerificationError("PROOF_INVALID", f"not a DPoP proof: expected {expected}")
