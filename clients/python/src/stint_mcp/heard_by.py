"""By what a verifier hears of revocations."""

import os
from collections.abc import Callable, Sequence

from stint_mcp.clock import Clock
from stint_mcp.errors import invalid_field
from stint_mcp.issuer_settings import IssuerRevocation, PollRevocation
from stint_mcp.poll_source import PollSource
from stint_mcp.revocation_source import RevocationSource
from stint_mcp.status_list_source import StatusListSource


def heard_by(
    endpoint: str | None, revocation: IssuerRevocation | None, grants_from: Sequence[str], *, report_usage: bool
) -> str | IssuerRevocation:
    """The workload endpoint, by whose feed it is, or what takes the place of that. Raises StintError INVALID_FIELD."""
    if revocation is None:
        found = endpoint if endpoint is not None else os.environ.get("SPIFFE_ENDPOINT_SOCKET", "")
        if found == "":
            raise invalid_field("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET")
        return found
    of_the_feed = {"endpoint": endpoint is not None, "grants_from": len(grants_from) > 0, "report_usage": report_usage}
    for name, is_given in of_the_feed.items():
        if is_given:
            raise invalid_field(name, "nothing where `revocation` is not from the feed")
    return revocation


def issuer_source_of(
    revocation: IssuerRevocation, audiences: Sequence[str], clock: Clock, on_change: Callable[[], None]
) -> RevocationSource:
    """What the broker publishes, or tells whoever polls. Raises StintError INVALID_FIELD."""
    if isinstance(revocation, PollRevocation):
        return PollSource(revocation, audiences, clock, on_change)
    return StatusListSource(revocation, clock, on_change)
