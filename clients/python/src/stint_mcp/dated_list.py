"""A status list as it was at one instant."""

import zlib
from dataclasses import dataclass
from typing import Final

from stint_mcp.clock import Instant
from stint_mcp.errors import VerificationError
from stint_mcp.freshness import Dated, Unfitness, dated_by, dated_unfitness
from stint_mcp.status_list import STATUS_LIST_TOKENS, Statuses, with_invalid_of
from stint_mcp.status_list_token import VerifiedStatusList

LIST_BYTES_MAX: Final = 256 * 1024
"""Of an answer: a list of eight bits a token that does not compress, in base64url twice."""


@dataclass(frozen=True, slots=True)
class DatedList:
    """What is known of a list."""

    dated: Dated
    statuses: Statuses
    expires_at: int
    """Exclusive."""
    ttl_seconds: float


def dated_list_of(verified: VerifiedStatusList, sent: Instant, received: Instant, earlier: DatedList | None) -> DatedList:
    """A list that was fetched and holds.

    :param earlier: what was known of the list; one that is older than it is not taken, and what it has as invalid stays so.
    :raises VerificationError: CLAIMS_INVALID for a list that is no zlib, or is larger than lists are; STALE.
    """
    made_at_ms = verified.issued_at * 1_000
    if earlier is not None and made_at_ms < earlier.dated.made_at_ms:
        raise VerificationError("STALE", "the status list is older than the one before")
    statuses = _unpacked(verified)
    return DatedList(
        # It has all that was recorded by then.
        dated=dated_by(made_at_ms, sent, received),
        statuses=statuses if earlier is None else with_invalid_of(earlier.statuses, statuses),
        expires_at=verified.expires_at,
        ttl_seconds=verified.ttl_seconds,
    )


def _unpacked(verified: VerifiedStatusList) -> Statuses:
    """No more comes out than a list has of this many bits a token, whatever goes in."""
    bytes_max = STATUS_LIST_TOKENS * verified.bits // 8
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(verified.compressed, bytes_max + 1)
    except zlib.error:
        data = b""
    if not unpacking.eof or len(data) > bytes_max:
        message = f"claims of the status list: expected status_list.lst as zlib of at most {bytes_max} bytes"
        raise VerificationError("CLAIMS_INVALID", message)
    return Statuses(verified.bits, data)


def list_unfitness(known: DatedList | None, now: Instant, bound_ms: float) -> Unfitness | None:
    """Why a list tells nothing at present; ``None`` when it does."""
    if known is not None and not now.wall_ms < known.expires_at * 1_000:
        return "STALE"
    return dated_unfitness(None if known is None else known.dated, now, bound_ms)
