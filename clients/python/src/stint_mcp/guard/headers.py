"""Headers of a request, and what they say."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from stint_mcp.errors import VerificationError

_CREDENTIALS: Final = re.compile(r"(Bearer|DPoP|WPT) ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
_SCHEME: Final = re.compile(r"(Bearer|DPoP|WPT)(\s|$)", re.IGNORECASE | re.ASCII)
_JSON_TYPE: Final = re.compile(r"application/json\s*(;|$)", re.IGNORECASE | re.ASCII)
_EVENTS_TYPE: Final = re.compile(r"text/event-stream\s*(;|$)", re.IGNORECASE | re.ASCII)

_PREFIX, _SUFFIX = "=?base64?", "?="
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Headers:
    """By their names in lower case; those that came twice are joined, as a list of HTTP is."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in raw:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            self._values[key] = f"{self._values[key]}, {text}" if key in self._values else text

    def get(self, name: str) -> str | None:
        """The value; ``None`` when there is none."""
        return self._values.get(name)

    def with_prefix(self, prefix: str) -> list[str]:
        """The values of all whose names begin so."""
        return [value for name, value in self._values.items() if name.startswith(prefix)]

    @property
    def is_json(self) -> bool:
        """Whether the body is said to be JSON."""
        return _JSON_TYPE.match(self._values.get("content-type", "")) is not None

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is said to be server-sent events."""
        return _EVENTS_TYPE.match(self._values.get("content-type", "")) is not None


@dataclass(frozen=True, slots=True)
class Presented:
    """The credentials of a request, unverified."""

    scheme: Literal["Bearer", "DPoP"]
    token: str
    proof: str | None
    """The value of the DPoP header; ``None`` where there is none."""


def credentials_of(headers: Headers, *, dpop: bool) -> Presented:
    """The token of a request, and the proof with it.

    :param dpop: whether proofs are taken.
    :raises VerificationError: TOKEN_MISSING where there is none of a scheme that is taken, or REQUEST_MALFORMED for an Authorization
        header that is not one token of a scheme.

    See RFC 6750 section 2, RFC 9449 section 7.1.
    """
    header = headers.get("authorization") or ""
    match = _CREDENTIALS.fullmatch(header)
    if match is None and (_SCHEME.match(header) is not None or "," in header):
        # Two headers come as one with a comma, which no token has.
        message = "the Authorization header must be one token: Bearer, DPoP or WPT"
        raise VerificationError("REQUEST_MALFORMED", message)
    scheme = "" if match is None else match[1].lower()
    if match is not None and scheme == "bearer":
        return Presented("Bearer", match[2], None)
    # Where proofs are not looked at, a token that comes with one is none.
    if match is None or scheme != "dpop" or not dpop:
        raise VerificationError("TOKEN_MISSING", "a token is required")
    return Presented("DPoP", match[2], headers.get("dpop"))


def scheme_named(headers: Headers) -> str:
    """The scheme that a request names, in small letters; empty for none that there is."""
    match = _SCHEME.match(headers.get("authorization") or "")
    return "" if match is None else match[1].lower()


def decode_header_value(value: str) -> str | None:
    """What a header of MCP says that mirrors a part of the body: as it is, or in the form for what no header can hold.

    Returns ``None`` where that form holds no Base64, or no UTF-8. See MCP Streamable HTTP 2026-07-28, value encoding.
    """
    if not value.startswith(_PREFIX) or not value.endswith(_SUFFIX):
        return value
    encoded = value[len(_PREFIX) : -len(_SUFFIX)]
    # Where the two share a question mark, readers differ.
    if len(value) < len(_PREFIX) + len(_SUFFIX) or _BASE64.fullmatch(encoded) is None:
        return None
    try:
        return base64.b64decode(encoded).decode("utf-8")
    except ValueError:
        return None
