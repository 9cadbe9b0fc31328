"""Status lists: where a token's status stands, and what it is. See draft-ietf-oauth-status-list."""

import re
from dataclasses import dataclass
from typing import Final

STATUS_LIST_TOKENS: Final = 131_072
"""Tokens in one list: 16 KiB before compression, and a broker makes none that is larger."""

STATUS_LIST_TTL_SECONDS: Final = 5
"""How long a verifier may take what a list says without asking again."""

STATUS_SIZES: Final = (1, 2, 4, 8)
"""How many bits of a list a token may have. See section 4.1."""

VALID: Final = 0x00
"""Of statuses of tokens; every other is for an application to give a meaning to. See section 7.1."""
_INVALID: Final = 0x01

_LIST_NAME: Final = re.compile("[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """Where a token's status is: in which list, and at which index there."""

    list: str
    index: int


@dataclass(frozen=True, slots=True)
class Statuses:
    """A list that was unpacked."""

    bits: int
    data: bytes


def status_list_uri(issuer: str, name: str) -> str:
    """Of a list of an issuer."""
    return f"{issuer}/status/{name}"


def status_list_name_in(issuer: str, uri: str) -> str | None:
    """The name in the URI of an issuer's list; ``None`` for anything else."""
    below = status_list_uri(issuer, "")
    name = uri[len(below) :] if uri.startswith(below) else ""
    return name if _LIST_NAME.fullmatch(name) is not None else None


def status_at(statuses: Statuses, index: int) -> int | None:
    """The status of a token; ``None`` for an index beyond the list, whose token is to be refused.

    A token that has several bits has them side by side, and the first token the lowest ones. See section 4.1.
    """
    per_byte = 8 // statuses.bits
    at, within = divmod(index, per_byte)
    if not 0 <= at < len(statuses.data):
        return None
    return int(statuses.data[at] >> (within * statuses.bits) & (2**statuses.bits - 1))


def count_not_valid(statuses: Statuses) -> int:
    """How many tokens a list has that are not valid."""
    if statuses.bits == 1:
        return int.from_bytes(statuses.data, "big").bit_count()
    per_byte = 8 // statuses.bits
    # Most bytes are of tokens that are all valid.
    return sum(
        status_at(statuses, index) != VALID
        for at, byte in enumerate(statuses.data)
        if byte != 0
        for index in range(at * per_byte, (at + 1) * per_byte)
    )


def with_invalid_of(earlier: Statuses, later: Statuses) -> Statuses:
    """A list with all that an earlier one has as invalid, for that is never undone.

    A broker that leaves it out was put back in time, or has forgotten it.
    """
    bits = later.bits
    if bits != earlier.bits or later.data == earlier.data:
        return later
    data = bytearray(later.data)
    for at, (before, byte) in enumerate(zip(earlier.data, later.data, strict=False)):
        if before == byte:
            continue
        for shift in range(0, 8, bits):
            mask = (2**bits - 1) << shift
            if before & mask == _INVALID << shift:
                data[at] = data[at] & ~mask | _INVALID << shift
    return Statuses(bits, bytes(data))
