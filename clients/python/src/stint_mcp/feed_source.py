"""The broker's feed: it tells of every end within milliseconds, and has all that it has told at hand."""

from collections.abc import Callable, Sequence

from stint_mcp.call_error import CallFailure
from stint_mcp.clock import Clock, instant_of
from stint_mcp.errors import StintError
from stint_mcp.feed_client import FeedClient, FeedOptions
from stint_mcp.feed_state import Applied, FeedState
from stint_mcp.freshness import Unfitness, clock_offset_ms, staleness_ms, unfitness
from stint_mcp.keys import BundleSet
from stint_mcp.ready import awaited, lasting_fault
from stint_mcp.revocation_source import SourceStatus
from stint_mcp.verified_step import VerifiedStep, refusal_of
from stint_mcp.while_open import DenialListeners, Listener


class FeedSource:
    """A `RevocationSource`.

    :param loosest_ms: the loosest bound in use.
    :param on_change: called whenever something may be ready, or has failed.
    """

    outlasts_tokens = True

    def __init__(
        self, endpoint: str, audiences: Sequence[str], loosest_ms: float, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        self._endpoint, self._audiences, self._loosest_ms = endpoint, audiences, loosest_ms
        self._clock, self._on_change = clock, on_change
        self._state = FeedState()
        self._listeners = DenialListeners()
        self._feed: FeedClient | None = None
        self._failure: CallFailure | None = None

    @property
    def bundles(self) -> BundleSet:
        """As the feed has them."""
        return self._state.bundles

    def start(self) -> None:
        """Follows the feed."""
        self._feed = FeedClient(
            FeedOptions(
                endpoint=self._endpoint,
                audiences=self._audiences,
                max_staleness_seconds=self._loosest_ms / 1_000,
                clock=self._clock,
                state=self._state,
                on_applied=self._on_applied,
                on_failed=self._on_failed,
            )
        )

    def unfitness(self, bound_ms: float) -> Unfitness | None:
        """By the last ping that was answered."""
        return unfitness(self._state.confirmation, instant_of(self._clock), bound_ms)

    async def learn(self, _step: VerifiedStep) -> bool:
        """Everything is at hand."""
        return False

    def check_not_ended(self, step: VerifiedStep, _bound_ms: float) -> None:
        """By the deny-list."""
        entry = self._state.deny_list.find(step.deny_keys)
        if entry is not None:
            raise refusal_of(entry)

    def listen(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """For what comes on the deny-list."""
        entry = self._state.deny_list.find(step.deny_keys)
        if entry is None:
            return self._listeners.add(step.deny_keys, listener)
        listener(refusal_of(entry))
        return lambda: None

    def status(self, bound_ms: float) -> SourceStatus:
        """How it stands with the feed."""
        now, confirmation = instant_of(self._clock), self._state.confirmation
        return SourceStatus(
            connected=self._is_connected(),
            refusal=self.unfitness(bound_ms),
            staleness_seconds=None if confirmation is None else staleness_ms(confirmation, now) / 1_000,
            clock_offset_seconds=None if confirmation is None else clock_offset_ms(confirmation, now) / 1_000,
            denied=len(self._state.deny_list),
            last_error=None if self._feed is None else self._feed.last_error,
        )

    def lasting_fault(self) -> StintError | None:
        """What the broker has said that only a change of settings mends."""
        return lasting_fault(self._endpoint, self._failure)

    def awaited(self) -> str:
        """What has to happen, and what was heard last."""
        return awaited(self._endpoint, self._failure, connected=self._is_connected())

    async def close(self) -> None:
        """Ends the feed."""
        if self._feed is not None:
            await self._feed.close()

    def _is_connected(self) -> bool:
        return self._feed is not None and self._feed.connected

    def _on_applied(self, applied: Applied) -> None:
        self._failure = None
        for key in applied.denied:
            entry = self._state.deny_list.find((key,))
            if entry is not None:
                self._listeners.tell(key, refusal_of(entry))
        self._on_change()

    def _on_failed(self, failure: CallFailure) -> None:
        self._failure = failure
        self._on_change()
