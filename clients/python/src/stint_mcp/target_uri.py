"""The URI of a request, in the form in which two are compared."""

import re
from typing import Final

_URI: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_PARTS: Final = re.compile(r"(https?)://([^/@]+)(/.*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def normalize_target_uri(text: str) -> str | None:
    """An HTTP target URI without query and fragment, in the form in which two URIs are compared.

    That is: scheme and host in lower case, no default port, no dot segments, ``/`` for an empty path, and nothing escaped that needs no
    escape. Anything further, such as a trailing slash, makes another URI. ``None`` for anything else, such as a URI with a query, a
    fragment or a user. See RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3.
    """
    if _URI.fullmatch(text) is None:
        return None
    parts = _PARTS.fullmatch(_ESCAPE.sub(_unescaped, text))
    authority = None if parts is None else _AUTHORITY.fullmatch(parts[2].lower())
    if parts is None or authority is None:
        return None
    scheme, port = parts[1].lower(), authority[2]
    is_default = port is None or port.lstrip("0") == _DEFAULT_PORTS[scheme]
    where = authority[1] if is_default else f"{authority[1]}:{int(port)}"
    return f"{scheme}://{where}{_without_dot_segments(parts[3] or '/')}"


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) is not None else escape[0].upper()


def _without_dot_segments(path: str) -> str:
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    ends_in_dots = segments[-1] in (".", "..")
    return "/" + "/".join([*kept, *([""] if ends_in_dots else [])])
