"""Where a verifier has its keys from, and hears of what has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stint_mcp.errors import StintError
from stint_mcp.freshness import Unfitness
from stint_mcp.keys import BundleSet
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.while_open import Listener


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What a source says of itself; as `VerifierStatus` has it."""

    connected: bool
    refusal: Unfitness | None
    staleness_seconds: float | None
    clock_offset_seconds: float | None
    denied: int
    last_error: str | None


class RevocationSource(Protocol):
    """Says before it is started, and once it is closed, that it knows nothing."""

    @property
    def bundles(self) -> BundleSet:
        """Keys, by the trust domain whose they are."""

    @property
    def outlasts_tokens(self) -> bool:
        """Whether the end of a step is told of after the token has expired that it was known by."""

    def start(self) -> None:
        """Begins to hear, in the running event loop."""

    def unfitness(self, bound_ms: float) -> Unfitness | None:
        """Why nothing can be told at present, whatever is presented; ``None`` when something can."""

    async def learn(self, step: VerifiedStep) -> bool:
        """Has at hand what judging a step takes, if it can be had; returns whether that took any waiting.

        :raises VerificationError: CLAIMS_INVALID for what nothing would ever tell of.
        """

    def check_not_ended(self, step: VerifiedStep, bound_ms: float) -> None:
        """Looks at what is at hand.

        :raises VerificationError: REVOKED for what has ended; NOT_READY, STALE or CLOCK_SKEWED where that can't be told; CLAIMS_INVALID for
            what nothing would ever tell of.
        """

    def listen(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """Calls once when the step or its credential is denied; at once if it is already. Returns what ends the listening."""

    def status(self, bound_ms: float) -> SourceStatus:
        """How it stands."""

    def lasting_fault(self) -> StintError | None:
        """What would keep it from being ready however long one waits."""

    def awaited(self) -> str:
        """For people: what it waits for until it is ready."""

    async def close(self) -> None:
        """Hears nothing any more."""
