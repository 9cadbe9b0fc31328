"""The keys of a trust domain's broker, from its public documents."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from stint_mcp.clock import Clock, Instant, instant_of
from stint_mcp.errors import VerificationError
from stint_mcp.event_signature import EventKeys
from stint_mcp.issuer_document import Asked, DocumentUnavailable, IssuerPlace, fetch_document
from stint_mcp.keys import DEVELOPMENT_TRUST_DOMAIN, JwtBundle, keys_of
from stint_mcp.refresh import Refresh

_REFRESH_MS: Final = 5_000
"""A key that was withdrawn is believed for this much longer: as long as a status list may be."""
_RENEW_MS_MIN: Final = 2_000
"""Whoever shows lists by keys that are not known does not make a verifier ask more often."""
_BYTES_MAX: Final = 1024 * 1024
"""A bundle of a hundred RSA-4096 authorities is 300 KiB."""
_BUNDLE: Final = "/spiffe-bundle.json"
_EVENT_KEYS: Final = "/keys/events.json"

Value = TypeVar("Value")


class IssuerKeys:
    """Kept as they are published, from when it is made, in the running event loop.

    :param on_fetched: called after each fetch, whatever came of it.
    """

    def __init__(
        self, place: IssuerPlace, issuer: str, trust_domain: str, clock: Clock, on_fetched: Callable[[], None]
    ) -> None:
        self.bundles: dict[str, JwtBundle] = {}
        """Of the one trust domain; empty before the first fetch."""
        self.sent: Instant | None = None
        """When the documents were asked for that the keys are from; ``None`` before the first."""
        self.failure: str | None = None
        """What went wrong last, until something has gone well."""
        self._place, self._issuer, self._trust_domain, self._clock = place, issuer, trust_domain, clock
        self._on_fetched = on_fetched
        self._event_keys: EventKeys = {}
        self._refresh = Refresh(clock, self._fetch, lambda: _REFRESH_MS)
        self._refresh.begin()

    async def judged(self, judge: Callable[[EventKeys], Value]) -> Value:
        """Judges something by the keys that sign status lists and events.

        A key that is not known may be new: then the keys are fetched, unless that was done a moment ago, and it is judged once more. Raises
        what ``judge`` raises.
        """
        try:
            return judge(self._event_keys)
        except VerificationError as error:
            if error.code != "KEY_UNKNOWN":
                raise
        self._refresh.begin_unless_within(_RENEW_MS_MIN)
        await self._refresh.finished()
        return judge(self._event_keys)

    def close(self) -> None:
        """Fetches nothing any more."""
        self._refresh.close()

    async def _fetch(self) -> bool:
        asked_at = instant_of(self._clock)
        try:
            bundle, events = await asyncio.gather(self._document(_BUNDLE), self._document(_EVENT_KEYS))
            self._take(bundle, events)
            self.sent, self.failure = asked_at, None
        except DocumentUnavailable as unavailable:
            self.failure = unavailable.message
        self._on_fetched()
        return self.failure is None

    async def _document(self, path: str) -> bytes:
        return await fetch_document(self._place, Asked(path, "application/json", _BYTES_MAX), self._clock)

    def _take(self, bundle: bytes, events: bytes) -> None:
        keys, event_keys = keys_of(bundle, "jwt-svid"), keys_of(events, "sig")
        for path, found in ((_BUNDLE, keys), (_EVENT_KEYS, event_keys)):
            if found is None:
                raise DocumentUnavailable(f"{path} was answered with no keys")
        self._event_keys = event_keys or {}
        # A set of its own for each state: a verification that has begun goes on with the keys that it began with.
        self.bundles = {
            self._trust_domain: JwtBundle(
                trust_domain=self._trust_domain,
                keys=keys or {},
                issuer=self._issuer,
                development=self._trust_domain == DEVELOPMENT_TRUST_DOMAIN,
                federated=False,
            )
        }
