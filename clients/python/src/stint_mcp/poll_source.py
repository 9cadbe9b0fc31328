"""The broker's security events, polled: they tell of each end once, and nothing of what had ended before this process began to hear."""

import math
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from stint_mcp.claims import claims_invalid, numeric_date_of
from stint_mcp.clock import Clock, instant_of
from stint_mcp.deny_list import DenyList
from stint_mcp.errors import StintError, VerificationError
from stint_mcp.event_signature import EventKeys
from stint_mcp.event_stream import EventStream, EventStreams, Polled, StreamUnusable
from stint_mcp.freshness import Dated, Unfitness, age_ms, dated_by, dated_unfitness
from stint_mcp.issuer_document import DocumentUnavailable
from stint_mcp.issuer_keys import IssuerKeys
from stint_mcp.issuer_settings import PollRevocation
from stint_mcp.keys import BundleSet
from stint_mcp.refresh import Refresh
from stint_mcp.revocation_source import SourceStatus
from stint_mcp.security_event import Told, told_by, verify_security_event
from stint_mcp.verified_step import VerifiedStep, refusal_of
from stint_mcp.while_open import DenialListeners, Listener

_PAUSE_MS: Final = 200
"""Between polls that were answered at once."""
_VERIFY_MS: Final = 61_000
"""How often the stream is asked to show whether another process receives it: as often as one may."""
_ALONE_MS: Final = 130_000
"""After another was noticed: until it would have shown again."""
_STATE_BYTES: Final = 16
_STATES_MAX: Final = 8
"""What was shown before these was acknowledged long ago."""


class PollSource:
    """A `RevocationSource`. What was issued before it began to hear is refused.

    :param audiences: of the verifier; its entry must name them all.
    :param on_change: called whenever something may be ready, or has failed.
    :raises StintError: INVALID_FIELD.
    """

    outlasts_tokens = True

    def __init__(
        self, revocation: PollRevocation, audiences: Sequence[str], clock: Clock, on_change: Callable[[], None]
    ) -> None:
        self._issuer, self._trust_domain = revocation.issuer, revocation.trust_domain
        self._place = revocation.place()
        self._audiences, self._clock, self._on_change = audiences, clock, on_change
        self._streams = EventStreams(self._place, revocation, clock)
        self._deny_list = DenyList()
        self._listeners = DenialListeners()
        self._keys: IssuerKeys | None = None
        self._polling: Refresh | None = None
        # What this process has asked the stream to show.
        self._states: list[str] = []
        self._stream: EventStream | None = None
        self._acknowledged: list[str] = []
        self._answered: Dated | None = None
        # From when on every end is heard, by the issuer's clock: Unix seconds.
        self._hears_since: float | None = None
        self._verified_at_ms = -math.inf
        self._others_seen_at_ms = -math.inf
        self._failure: str | None = None
        self._audience_fault: StintError | None = None

    @property
    def bundles(self) -> BundleSet:
        """Of the one trust domain."""
        return {} if self._keys is None else self._keys.bundles

    def start(self) -> None:
        """Fetches the keys, and polls."""
        self._keys = IssuerKeys(self._place, self._issuer, self._trust_domain, self._clock, self._on_change)
        self._polling = Refresh(self._clock, self._poll_once, lambda: _PAUSE_MS)
        self._polling.begin()

    def unfitness(self, bound_ms: float) -> Unfitness | None:
        """By the keys, and by the last poll that was answered."""
        now, sent = instant_of(self._clock), None if self._keys is None else self._keys.sent
        if sent is None or self._hears_since is None:
            return "NOT_READY"
        return dated_unfitness(self._answered, now, bound_ms) if age_ms(sent, now) <= bound_ms else "STALE"

    async def learn(self, _step: VerifiedStep) -> bool:
        """Everything that is told is at hand."""
        return False

    def check_not_ended(self, step: VerifiedStep, _bound_ms: float) -> None:
        """By the deny-list; what may have ended without a word here is refused."""
        since, issued_at = self._hears_since, numeric_date_of(step.claims.get("iat"))
        # Written as "not since", so that a token without `iat` is refused.
        if since is None or issued_at is None or not issued_at >= since:
            raise claims_invalid("iat since this verifier began to hear")
        entry = self._deny_list.find(step.deny_keys)
        if entry is not None:
            raise refusal_of(entry)

    def listen(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """For what comes on the deny-list."""
        entry = self._deny_list.find(step.deny_keys)
        if entry is None:
            return self._listeners.add(step.deny_keys, listener)
        listener(refusal_of(entry))
        return lambda: None

    def status(self, bound_ms: float) -> SourceStatus:
        """How it stands with keys and events."""
        now = instant_of(self._clock)
        sent = None if self._keys is None else self._keys.sent
        last_error, answered = self._why(), self._answered
        staleness_seconds = None
        if sent is not None and answered is not None:
            staleness_seconds = max(age_ms(sent, now), age_ms(answered.as_of, now)) / 1_000
        return SourceStatus(
            connected=answered is not None and last_error is None,
            refusal=self.unfitness(bound_ms),
            staleness_seconds=staleness_seconds,
            clock_offset_seconds=None,
            denied=len(self._deny_list),
            last_error=last_error,
        )

    def lasting_fault(self) -> StintError | None:
        """An entry that does not name what this verifier is."""
        return self._audience_fault

    def awaited(self) -> str:
        """What has to be had, and what was wrong last."""
        why = self._why()
        return f"keys and events of the broker at {self._place.url}" + ("" if why is None else f" ({why})")

    async def close(self) -> None:
        """Polls no more."""
        for one in (self._keys, self._polling):
            if one is not None:
                one.close()

    def _why(self) -> str | None:
        return self._failure or (None if self._keys is None else self._keys.failure)

    async def _poll_once(self) -> bool:
        try:
            opened = self._stream or await self._streams.open()
            self._check_audiences(opened)
            self._stream = opened
            await self._show_once(opened)
            polled = await self._streams.poll(self._acknowledged, waits=self._answered is not None)
            received = instant_of(self._clock)
            await self._take_all(opened, polled)
            self._acknowledged = list(polled.sets)
            await self._streams.check(opened)
            self._answered = dated_by(polled.date_ms, received, received)
            # The whole seconds of a token's `iat` are rounded down, and so is the answer's date.
            if not polled.more and self._is_alone() and self._hears_since is None:
                self._hears_since = polled.date_ms / 1_000 + 1
            self._deny_list.forget(min(received.wall_ms, polled.date_ms))
            self._failure = self._audience_fault = None
        except (DocumentUnavailable, VerificationError) as error:
            self._failure = error.message
            if isinstance(error, StreamUnusable):
                self._begin_anew()
        self._on_change()
        return self._failure is None

    def _is_alone(self) -> bool:
        """Whether no other process receives the stream, as far as it would have shown."""
        return self._clock.monotonic_ms() - self._others_seen_at_ms > _ALONE_MS

    def _begin_anew(self) -> None:
        """What is told meanwhile may be told to nobody, or to somebody else."""
        self._stream = self._answered = self._hears_since = None
        self._acknowledged = []

    def _check_audiences(self, opened: EventStream) -> None:
        """What is presented elsewhere is not told here: a token for there would pass unwatched."""
        foreign = next((one for one in self._audiences if one not in opened.audiences), None)
        if foreign is not None:
            message = f"audiences: the entry of the verifier does not name {foreign}"
            self._audience_fault = StintError("AUDIENCE_INVALID", message)
            raise StreamUnusable(message)

    async def _take_all(self, opened: EventStream, polled: Polled) -> None:
        keys = self._keys
        if keys is None:
            return
        for text in polled.sets.values():
            told = await keys.judged(partial(self._told_by, opened, text))
            if told.kind == "verification" and told.state not in self._states:
                self._others_seen_at_ms = self._clock.monotonic_ms()
                self._hears_since = None
            if told.entry is not None:
                for key in self._deny_list.add([told.entry]):
                    self._listeners.tell(key, refusal_of(told.entry))

    def _told_by(self, opened: EventStream, text: str, keys: EventKeys) -> Told:
        event = verify_security_event(text, keys=keys, issuer=self._issuer, audience=opened.audience)
        return told_by(event, self._clock.wall_ms())

    async def _show_once(self, opened: EventStream) -> None:
        if self._clock.monotonic_ms() - self._verified_at_ms < _VERIFY_MS:
            return
        self._verified_at_ms = self._clock.monotonic_ms()
        state = secrets.token_urlsafe(_STATE_BYTES)
        self._states = [*self._states, state][-_STATES_MAX:]
        await self._streams.verify(opened, state)
