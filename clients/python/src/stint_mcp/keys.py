"""Keys that verify tokens, by the trust domain that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from stint_mcp.base64url import bytes_of_base64, bytes_of_base64url
from stint_mcp.grant import whole_number_of
from stint_mcp.strict_json import parse_strict_object

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@dataclass(frozen=True, slots=True)
class _Ecdsa:
    curve: str
    scalar_bytes: int
    algorithm: ec.ECDSA


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
# Neither `none` nor a symmetric algorithm is in these tables. See JWT-SVID section 2.1, RFC 7518 section 3.1.
_ECDSA: Final[Mapping[str, _Ecdsa]] = {
    "ES256": _Ecdsa("secp256r1", 32, ec.ECDSA(_SHA256)),
    "ES384": _Ecdsa("secp384r1", 48, ec.ECDSA(_SHA384)),
    "ES512": _Ecdsa("secp521r1", 66, ec.ECDSA(_SHA512)),
}
_RSA: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "RS256": _SHA256,
    "RS384": _SHA384,
    "RS512": _SHA512,
    "PS256": _SHA256,
    "PS384": _SHA384,
    "PS512": _SHA512,
}
JWS_ALGORITHMS: Final = (*_ECDSA, *_RSA)

_RSA_MODULUS_BITS_MIN: Final = 2_048
_RSA_MODULUS_BITS_MAX: Final = 8_192
"""Verifying with a larger modulus costs so much that a bundle could stall its verifiers."""
_RSA_EXPONENT_MIN: Final = 65_537
"""Most forgeries of PKCS#1 signatures have exploited a smaller exponent."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, ready to verify with, and the algorithms that it may be used with."""

    key: PublicKey
    algorithms: tuple[str, ...]

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether a JWS signature holds; the algorithm is one of the key's. See RFC 7518 sections 3.3 to 3.5."""
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, signed, _padding_of(algorithm), _RSA[algorithm])
                return True
            terms = _ECDSA[algorithm]
            length = terms.scalar_bytes
            if len(signature) != 2 * length:
                return False
            scalars = int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big")
            self.key.verify(encode_dss_signature(*scalars), signed, terms.algorithm)
            return True
        except InvalidSignature:
            return False


def _padding_of(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    digest = _RSA[algorithm]
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


DEVELOPMENT_TRUST_DOMAIN: Final = "stint-dev.invalid"
"""Of `stint dev`; not believed outside development even of a broker that does not say so."""


@dataclass(frozen=True, slots=True)
class JwtBundle:
    """What verifies the tokens of one trust domain."""

    trust_domain: str
    keys: Mapping[str, VerificationKey]
    """By ``kid``. Empty: nothing of this trust domain is to be believed."""
    issuer: str | None = None
    """What ``iss`` must be; ``None`` where the trust domain has no single issuer."""
    development: bool = False
    """Of a throw-away broker, whose keys anybody may have made."""
    federated: bool = False
    """Of a foreign trust domain: what ends there is not told here."""


BundleSet: TypeAlias = Mapping[str, JwtBundle]
"""Bundles by their trust domain; a key is looked up in its own trust domain's bundle and in no other."""


def jwt_keys_of(document: bytes) -> Mapping[str, VerificationKey]:
    """The keys of JWT-SVIDs in a SPIFFE bundle document, by ``kid``; none where `keys_of` makes nothing of it. Never raises."""
    return keys_of(document, "jwt-svid") or {}


def keys_of(document: bytes, use: str) -> Mapping[str, VerificationKey] | None:
    """The keys that are for one use in a SPIFFE bundle document or another JWK set, by ``kid``.

    Elements whose ``use`` or ``kty`` is unknown are passed over, as the standard asks; anything else that departs from the standard
    makes the whole document unusable: ``None``. A key that is too weak, or for an algorithm that SVIDs may not have, is left out. Never
    raises. See SPIFFE Trust Domain and Bundle section 4, RFC 7517 section 5.
    """
    try:
        jwks = _jwks_in(document, use)
    except _Unusable:
        return None
    return {kid: key for kid, jwk in jwks.items() if (key := verification_key_of(jwk)) is not None}


class _Unusable(Exception):
    """The document is none of keys."""


_SVID_USES: Final = frozenset({"jwt-svid", "wit-svid"})


def _jwks_in(document: bytes, wanted: str) -> dict[str, dict[str, Any]]:
    members = parse_strict_object(document)
    if members is None or not isinstance(members.get("keys"), list):
        raise _Unusable
    for name in ("spiffe_sequence", "spiffe_refresh_hint"):
        count = whole_number_of(members.get(name, 0))
        if count is None or not 0 <= count < 2**53:
            raise _Unusable
    known = _SVID_USES | {wanted}
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for jwk in members["keys"]:
        if not isinstance(jwk, dict):
            raise _Unusable
        kty, use = jwk.get("kty"), jwk.get("use")
        if kty not in ("EC", "RSA"):
            continue
        if use == "x509-svid":
            _check_certificate(jwk)
        elif isinstance(use, str) and use in known:
            kid = _checked_jwk(jwk)
            # Two keys with one `kid` would make the key that a token means depend on the reader.
            if kid in found:
                raise _Unusable
            found[kid] = (use, jwk)
    return {kid: jwk for kid, (use, jwk) in found.items() if use == wanted}


def _check_certificate(jwk: dict[str, Any]) -> None:
    if "x5c" not in jwk:
        return
    chain = jwk["x5c"]
    first = chain[0] if isinstance(chain, list) and len(chain) > 0 else None
    if not isinstance(first, str) or not bytes_of_base64(first):
        raise _Unusable


def _checked_jwk(jwk: dict[str, Any]) -> str:
    texts = ["kid", *(["alg"] if "alg" in jwk else [])]
    numbers = ["crv", "x", "y"] if jwk["kty"] == "EC" else ["n", "e"]
    if "d" in jwk or not all(isinstance(jwk.get(name), str) and jwk[name] != "" for name in [*texts, *numbers]):
        raise _Unusable
    if any(name != "crv" and bytes_of_base64url(jwk[name]) is None for name in numbers):
        raise _Unusable
    return str(jwk["kid"])


def verification_key_of(jwk: dict[str, Any]) -> VerificationKey | None:
    """The key of a JWK whose members are all there, each number in base64url; ``None`` for one that is not accepted."""
    try:
        key = _public_key_of(jwk)
    except ValueError:
        return None
    # The algorithms follow from the key; the bundle's `alg` can only narrow them.
    algorithms = tuple(name for name in _algorithms_of(key) if jwk.get("alg") in (None, name))
    return None if key is None or len(algorithms) == 0 else VerificationKey(key, algorithms)


def _public_key_of(jwk: dict[str, Any]) -> PublicKey | None:
    def number(name: str) -> int:
        return int.from_bytes(bytes_of_base64url(jwk[name]) or b"", "big")

    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
    curve = _CURVES.get(jwk["crv"])
    return None if curve is None else ec.EllipticCurvePublicNumbers(number("x"), number("y"), curve).public_key()


def _algorithms_of(key: PublicKey | None) -> tuple[str, ...]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return tuple(name for name, terms in _ECDSA.items() if terms.curve == key.curve.name)
    if key is None:
        return ()
    is_accepted = (
        _RSA_MODULUS_BITS_MIN <= key.key_size <= _RSA_MODULUS_BITS_MAX
        and key.public_numbers().e >= _RSA_EXPONENT_MIN
    )
    return tuple(_RSA) if is_accepted else ()
