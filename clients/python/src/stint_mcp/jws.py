"""A JWS in compact serialization, taken apart; nothing of it is believed yet."""

from collections.abc import Callable
from dataclasses import dataclass

from stint_mcp.base64url import bytes_of_base64url
from stint_mcp.errors import VerificationError
from stint_mcp.strict_json import JsonObject, parse_strict_object

Refuse = Callable[[str], VerificationError]
"""Makes the error that says what was expected."""

_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})


@dataclass(slots=True)
class Jws:
    """A JWS with whatever header it has."""

    header: JsonObject
    payload: bytes
    signature: bytes
    signed: bytes
    """What the signature covers."""


def parse_jws(token: str, refuse: Refuse) -> Jws:
    """Takes a token apart; base64url is accepted in its one form. Raises what ``refuse`` makes. See RFC 7515 section 3.1."""
    parts = token.split(".", 3)
    if len(parts) != 3:
        raise refuse("three base64url parts joined by dots")
    header = parse_strict_object(_decoded(parts[0], refuse))
    if header is None:
        raise refuse("a JSON object without repeated members as its header")
    payload, signature = _decoded(parts[1], refuse), _decoded(parts[2], refuse)
    return Jws(header, payload, signature, token[: len(parts[0]) + 1 + len(parts[1])].encode("ascii"))


def typed_claims_of(jws: Jws, kind: str, refuse: Refuse) -> tuple[str, JsonObject]:
    """The algorithm and the claims of a JWS of an explicit type; neither is believed yet.

    Its header may hold parameters that are not looked at here, but no critical ones, since those must not be passed over. Raises what
    ``refuse`` makes. See RFC 7515 section 4.1.11, RFC 8725 section 3.11.
    """
    if jws.header.get("typ") != kind:
        raise refuse(f"typ {kind}")
    if "crit" in jws.header:
        raise refuse("no critical header parameters")
    algorithm = header_text_of(jws.header, "alg", refuse)
    claims = parse_strict_object(jws.payload)
    if claims is None:
        raise refuse("a JSON object without repeated members as its claims")
    return algorithm, claims


def header_text_of(header: JsonObject, name: str, refuse: Refuse) -> str:
    """A header parameter that must be there. Raises what ``refuse`` makes."""
    value = header.get(name)
    if not isinstance(value, str) or value == "":
        raise refuse(f"the header parameter {name} as a string")
    return value


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

    So no key, URL or critical extension can be brought along by the token itself. Raises VerificationError TOKEN_MALFORMED. See JWT-SVID
    section 2.
    """
    jws = parse_jws(token, malformed)
    if not jws.header.keys() <= _HEADER_MEMBERS:
        raise malformed("no header parameters but alg, kid and typ")
    return CompactJws(
        algorithm=header_text_of(jws.header, "alg", malformed),
        key_id=header_text_of(jws.header, "kid", malformed),
        type=header_text_of(jws.header, "typ", malformed) if "typ" in jws.header else None,
        payload=jws.payload,
        signature=jws.signature,
        signed=jws.signed,
    )


def _decoded(part: str, refuse: Refuse) -> bytes:
    data = bytes_of_base64url(part)
    if data is None:
        raise refuse("base64url without padding or other characters")
    return data


def malformed(expected: str) -> VerificationError:
    """What is presented is no JWT-SVID."""
    return VerificationError("TOKEN_MALFORMED", f"not a JWT-SVID: expected {expected}")
