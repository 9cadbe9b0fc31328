"""URIs of resources, in the one form in which they are compared."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from stint_mcp.errors import invalid_field
from stint_mcp.limits import URI_BYTES_MAX

# What the URL Standard leaves as it is; whatever it would write another way is not canonical.
_HTTP_URI: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:]+\]|[a-z0-9!\"$&'()*+,.;=_`{}~-]+)(?::(?P<port>0|[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[\x21\x24-\x3b\x3d\x40-\x5b\x5d\x5f\x61-\x7a\x7c\x7e]*)?)"
    r"(?P<query>\?[\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e]+)?"
)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_PORT_MAX: Final = 65_535
_OCTETS: Final = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_GROUPS: Final = 8

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
# No white space, no control characters, and neither `"` nor `\`, which would break a header's quoted string.
_PRINTABLE: Final = re.compile("[\u0021\u0023-\u005b\u005d-\u007e\u00a1-\u1fff\u2070-\ud7ff\uf900-\ufdff]+")
_AUTHORITY: Final = re.compile(r"//(?:[^/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]<>^|%]*)(?::[0-9]{0,5})?(?:[/?#].*)?", re.DOTALL)


@lru_cache(maxsize=1_024)
def is_resource_uri(text: str) -> bool:
    """Whether a text is an http(s) URI in its canonical form.

    That is: lower-case scheme and host, no default port, no user, fragment, dot segment or trailing slash, and nothing that the URL
    Standard would write another way. See RFC 8707 section 2, RFC 3986 section 6.2.2.
    """
    match = _HTTP_URI.fullmatch(text) if len(text) <= URI_BYTES_MAX else None
    if match is None:
        return False
    port, path = match["port"], match["path"]
    if port is not None and (int(port) > _PORT_MAX or port == _DEFAULT_PORTS[match["scheme"]]):
        return False
    if text.endswith("?") or path.endswith("/") or _DOT_SEGMENT.search(path) is not None:
        return False
    # Between an origin and its query the URL Standard writes a slash.
    return _is_canonical_host(match["host"]) and not (path == "" and match["query"] is not None)


def check_resource_uri(text: str, field: str) -> None:
    """Accepts a canonical http(s) URI; raises StintError INVALID_FIELD for anything else."""
    if not is_resource_uri(text):
        expected = (
            "a canonical http(s) URI: lower-case scheme and host, no default port, fragment, dot segment or trailing slash"
        )
        raise invalid_field(field, expected)


def check_audience(text: str, field: str) -> None:
    """Accepts an audience: an RFC 7519 StringOrURI, and of http(s) URIs those that are canonical.

    Raises StintError INVALID_FIELD.
    """
    if re.match("https?:", text, re.IGNORECASE) is not None:
        check_resource_uri(text, field)
        return
    is_printable = len(text) <= URI_BYTES_MAX and _PRINTABLE.fullmatch(text) is not None
    if not is_printable or text == "*" or (":" in text and not _is_uri(text)):
        raise invalid_field(field, "a string without spaces, or a URI (RFC 7519 StringOrURI)")


def _is_uri(text: str) -> bool:
    match = _SCHEME.fullmatch(text)
    return match is not None and (not match[2].startswith("//") or _AUTHORITY.fullmatch(match[2]) is not None)


def _is_canonical_host(host: str) -> bool:
    if host.startswith("["):
        return _is_canonical_ipv6(host[1:-1])
    labels = host.split(".")
    last = labels[-2] if labels[-1] == "" and len(labels) > 1 else labels[-1]
    if _NUMBER.fullmatch(last) is not None:
        # Whatever ends in a number is an IPv4 address to the URL Standard, or no URL at all.
        return _OCTETS.fullmatch(host) is not None and all(int(octet) <= 255 for octet in labels)
    return all(_is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    if not label.startswith("xn--"):
        return True
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        encoded = decoded.encode("punycode").decode("ascii")
    except (UnicodeError, ValueError):
        return False
    is_folded = unicodedata.normalize("NFKC", decoded).casefold() == decoded
    return not decoded.isascii() and encoded == label[4:] and is_folded


def _is_canonical_ipv6(text: str) -> bool:
    """RFC 5952: no leading zeros, and the longest run of zeros, the first of several, as two colons."""
    before, gap, after = text.partition("::")
    heads, tails = [part.split(":") if part != "" else [] for part in (before, after)]
    groups = [*heads, *tails]
    if "::" in after or not all(re.fullmatch("0|[1-9a-f][0-9a-f]{0,3}", group) for group in groups):
        return False
    if gap == "":
        return len(groups) == _GROUPS and _longest_zeros(groups) < 2
    missing = _GROUPS - len(groups)
    if missing < 2:
        return False
    whole = [*heads, *(["0"] * missing), *tails]
    return _longest_zeros(whole) == missing and _longest_zeros(whole[: len(heads) + missing - 1]) < missing


def _longest_zeros(groups: list[str]) -> int:
    return max(len(run) for run in "".join("0" if group == "0" else "1" for group in groups).split("1"))
