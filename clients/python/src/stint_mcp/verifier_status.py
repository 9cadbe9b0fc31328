"""What a verifier says of itself."""

from dataclasses import dataclass

from stint_mcp.freshness import Unfitness
from stint_mcp.usage import UsageStatus


@dataclass(frozen=True, slots=True)
class VerifierStatus:
    """What a verifier says of itself."""

    connected: bool
    """Without the feed: whether everything that was asked for last was had."""
    refusal: Unfitness | None
    """Why what has the strictest bound is refused at present; ``None`` when nothing is."""
    staleness_seconds: float | None
    """Since when nothing is known, of status lists by the oldest in use; ``None`` before the first deny-list or keys."""
    clock_offset_seconds: float | None
    """How far this machine's clock is ahead of the broker's; ``None`` where nothing tells."""
    bundles: int
    denied: int
    """Names on the deny-list; a step has two. Of status lists in use: tokens that are not valid."""
    last_error: str | None
    """What ended the last stream, or kept a document from being had, in a few words."""
    usage: UsageStatus | None = None
    """Calls that were not reported yet; ``None`` where none are."""
