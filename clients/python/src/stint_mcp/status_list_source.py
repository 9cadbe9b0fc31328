"""The broker's status lists: each token says in which one it is, and nothing is told of anything else."""

from collections.abc import Callable

from stint_mcp.clock import Clock, instant_of
from stint_mcp.errors import StintError
from stint_mcp.freshness import Unfitness, age_ms
from stint_mcp.issuer_keys import IssuerKeys
from stint_mcp.issuer_settings import StatusListRevocation
from stint_mcp.keys import BundleSet
from stint_mcp.revocation_source import SourceStatus
from stint_mcp.status_list import TokenStatus
from stint_mcp.status_list_token import status_of
from stint_mcp.status_lists import StatusLists
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.while_open import Listener


class StatusListSource:
    """A `RevocationSource`.

    :param on_change: called whenever something may be ready, or has failed.
    :raises StintError: INVALID_FIELD.
    """

    outlasts_tokens = False

    def __init__(self, revocation: StatusListRevocation, clock: Clock, on_change: Callable[[], None]) -> None:
        self._issuer, self._trust_domain = revocation.issuer, revocation.trust_domain
        self._place = revocation.place()
        self._clock, self._on_change = clock, on_change
        self._kept: tuple[IssuerKeys, StatusLists] | None = None

    @property
    def bundles(self) -> BundleSet:
        """Of the one trust domain."""
        return {} if self._kept is None else self._kept[0].bundles

    def start(self) -> None:
        """Fetches the keys; lists are fetched when a token is in them."""
        keys = IssuerKeys(self._place, self._issuer, self._trust_domain, self._clock, self._on_change)
        self._kept = keys, StatusLists(self._place, self._issuer, keys, self._clock)

    def unfitness(self, bound_ms: float) -> Unfitness | None:
        """By the keys; how old a list is, is looked at with each token."""
        sent = None if self._kept is None else self._kept[0].sent
        if sent is None:
            return "NOT_READY"
        return None if age_ms(sent, instant_of(self._clock)) <= bound_ms else "STALE"

    async def learn(self, step: VerifiedStep) -> bool:
        """Has the list of its token."""
        status = self._status_of(step)
        return self._kept is not None and await self._kept[1].learn(status)

    def check_not_ended(self, step: VerifiedStep, bound_ms: float) -> None:
        """By the list of its token."""
        self._lists().check_valid(self._status_of(step), bound_ms)

    def listen(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """For the list of its token."""
        return self._lists().listen(self._status_of(step), listener)

    def status(self, bound_ms: float) -> SourceStatus:
        """How it stands with keys and lists."""
        if self._kept is None:
            return SourceStatus(False, "NOT_READY", None, None, 0, None)
        keys, lists = self._kept
        now = instant_of(self._clock)
        of_lists = lists.state(now, bound_ms)
        last_error = keys.failure or of_lists.failure
        return SourceStatus(
            connected=keys.sent is not None and last_error is None,
            refusal=self.unfitness(bound_ms) or of_lists.refusal,
            staleness_seconds=None if keys.sent is None else max(age_ms(keys.sent, now), of_lists.age_ms) / 1_000,
            clock_offset_seconds=None,
            denied=of_lists.invalid,
            last_error=last_error,
        )

    def lasting_fault(self) -> StintError | None:
        """None is known."""
        return None

    def awaited(self) -> str:
        """What has to be had, and what was wrong last."""
        failure = None if self._kept is None else self._kept[0].failure
        return f"the keys of the broker at {self._place.url}" + ("" if failure is None else f" ({failure})")

    async def close(self) -> None:
        """Fetches nothing any more."""
        if self._kept is not None:
            for one in self._kept:
                one.close()

    def _lists(self) -> StatusLists:
        if self._kept is None:
            raise StintError("NOT_SERVING", "the verifier was not started")
        return self._kept[1]

    def _status_of(self, step: VerifiedStep) -> TokenStatus:
        return status_of(step.claims, self._issuer)
