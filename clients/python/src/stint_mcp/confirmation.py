"""What the presenter of a token has to possess."""

from dataclasses import dataclass
from typing import Final, Literal

from stint_mcp.base64url import bytes_of_base64url
from stint_mcp.claims import claims_invalid
from stint_mcp.errors import VerificationError
from stint_mcp.strict_json import JsonObject

_SHA256_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Possession:
    """What the presenter of a token has proved to possess: SHA-256 in base64url.

    The certificate of its TLS connection, over which any token may come; or the key of its DPoP proof, with which only a token that
    is bound to this key may come.
    """

    x5t_s256: str | None = None
    jkt: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a token is bound to, as its ``cnf`` has it."""

    method: Literal["x5t#S256", "jkt"]
    digest: str


def confirmation_of(claims: JsonObject, presented: Possession) -> Confirmation | None:
    """Checks that the presenter possesses what a token is bound to; ``None`` for a bearer token.

    A ``cnf`` of an unknown kind, or of several kinds, is refused: the possession that it asks for would go unproved.

    Raises VerificationError CLAIMS_INVALID, PROOF_REQUIRED (metadata ``proof``) or PROOF_MISMATCH. See RFC 7800 section 3.1, RFC 8705
    section 3, RFC 9449 sections 6.1 and 7.1.
    """
    confirmation = _confirmation_in(claims["cnf"]) if "cnf" in claims else None
    if presented.jkt is not None and not _is_bound_to(confirmation, "jkt", presented.jkt):
        raise VerificationError("PROOF_MISMATCH", "the token is not bound to the key of the proof")
    if confirmation is None:
        return None
    if confirmation.method == "jkt":
        if presented.jkt is None:
            message = "the token is bound to a key: a DPoP proof of it is required"
            raise VerificationError("PROOF_REQUIRED", message, {"proof": "dpop"})
        return confirmation
    if presented.x5t_s256 is None:
        message = "the token is bound to a certificate: a connection with it is required"
        raise VerificationError("PROOF_REQUIRED", message, {"proof": "mtls"})
    if not _is_bound_to(confirmation, "x5t#S256", presented.x5t_s256):
        raise VerificationError("PROOF_MISMATCH", "the token is not bound to the certificate of the connection")
    return confirmation


def _confirmation_in(cnf: object) -> Confirmation:
    if isinstance(cnf, dict) and len(cnf) == 1:
        [(method, digest)] = cnf.items()
        data = bytes_of_base64url(digest) if isinstance(digest, str) else None
        if method in ("x5t#S256", "jkt") and data is not None and len(data) == _SHA256_BYTES:
            return Confirmation(method, digest)
    raise claims_invalid("cnf with x5t#S256 or jkt, and nothing else")


def _is_bound_to(confirmation: Confirmation | None, method: str, digest: str) -> bool:
    return confirmation is not None and confirmation.method == method and confirmation.digest == digest
