"""JSON in which no two readers can see different values."""

import json
from typing import Any, Final, NoReturn, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

DEPTH_MAX: Final = 16
"""Deeper than any header, set of claims or bundle."""

_INTEGER_DIGITS_MAX: Final = 400
"""Whatever has more is infinite to other readers, and Python would spend quadratic time on it."""


def parse_strict_object(data: bytes) -> JsonObject | None:
    """Parses a JSON object.

    A member name that occurs twice, in any spelling, is refused, as are bytes that are not UTF-8, a byte order mark, ``NaN`` and
    its like, ``__proto__``, and what is nested deeper than `DEPTH_MAX`.

    Returns the object, or ``None`` for anything else. Never raises.

    See RFC 7515 section 4, RFC 7519 section 4, RFC 8259 section 4.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    # Every level has a bracket of its own, so that most texts need not be walked.
    is_shallow = text.count("{") + text.count("[") <= DEPTH_MAX
    return value if is_shallow or _is_within(value, DEPTH_MAX) else None


def _members(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs) or "__proto__" in members:
        raise ValueError
    return members


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else float(digits)


def _constant(_name: str) -> NoReturn:
    raise ValueError


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_constant=_constant)


def _is_within(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_within(one, levels - 1) for one in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_within(one, levels - 1) for one in value)
    return True
