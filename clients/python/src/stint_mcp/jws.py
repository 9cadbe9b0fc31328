"""A JWS in compact serialization, taken apart; nothing of it is believed yet."""

from dataclasses import dataclass

from stint_mcp.base64url import bytes_of_base64url
from stint_mcp.errors import VerificationError
from stint_mcp.strict_json import JsonObject, parse_strict_object

_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})


@dataclass(slots=True)
class CompactJws:
    """A JWS with the header of a JWT-SVID."""

    algorithm: str
    key_id: str
    type: str | None
    payload: bytes
    signature: bytes
    signed: bytes
    """What the signature covers."""


def parse_compact_jws(token: str) -> CompactJws:
    """Takes a token apart whose header has ``alg``, ``kid``, ``typ`` and nothing else.

    So no key, URL or critical extension can be brought along by the token itself. Base64url is accepted in its one form.

    Raises VerificationError TOKEN_MALFORMED. See RFC 7515 section 3.1, JWT-SVID section 2.
    """
    parts = token.split(".", 3)
    if len(parts) != 3:
        raise malformed("three base64url parts joined by dots")
    header = parse_strict_object(_decoded(parts[0]))
    if header is None:
        raise malformed("a JSON object without repeated members as its header")
    payload, signature = _decoded(parts[1]), _decoded(parts[2])
    if not header.keys() <= _HEADER_MEMBERS:
        raise malformed("no header parameters but alg, kid and typ")
    return CompactJws(
        algorithm=_text_of(header, "alg"),
        key_id=_text_of(header, "kid"),
        type=_text_of(header, "typ") if "typ" in header else None,
        payload=payload,
        signature=signature,
        signed=token[: len(parts[0]) + 1 + len(parts[1])].encode("ascii"),
    )


def _text_of(header: JsonObject, name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str) or value == "":
        raise malformed(f"the header parameter {name} as a string")
    return value


def _decoded(part: str) -> bytes:
    data = bytes_of_base64url(part)
    if data is None:
        raise malformed("base64url without padding or other characters")
    return data


def malformed(expected: str) -> VerificationError:
    """What is presented is no JWT-SVID."""
    return VerificationError("TOKEN_MALFORMED", f"not a JWT-SVID: expected {expected}")
