"""The status lists of one issuer that are in use."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stint_mcp.clock import Clock, Instant, instant_of
from stint_mcp.claims import claims_invalid
from stint_mcp.dated_list import LIST_BYTES_MAX, DatedList, dated_list_of, list_unfitness
from stint_mcp.deny_list import DenyKey
from stint_mcp.errors import VerificationError
from stint_mcp.freshness import Unfitness, age_ms
from stint_mcp.issuer_document import Asked, DocumentUnavailable, IssuerPlace, fetch_document
from stint_mcp.issuer_keys import IssuerKeys
from stint_mcp.refresh import Refresh
from stint_mcp.status_list import STATUS_LIST_TTL_SECONDS, VALID, TokenStatus, count_not_valid, status_at
from stint_mcp.status_list_token import verify_status_list_token
from stint_mcp.while_open import DenialListeners, Listener

_IN_USE_MS: Final = 60_000
"""A list that nobody has asked about for so long is not fetched any more."""
_LISTS_MAX: Final = 256
"""16 KiB each. A broker of many processes has a few dozen at a time."""
_TTL_SECONDS_MIN: Final = 1
_ASKED_ANEW_MS_MIN: Final = 1_000
"""However many tokens come whose list tells nothing."""

_UNFIT: Final[dict[Unfitness, str]] = {
    "NOT_READY": "the status list of the token is not known",
    "STALE": "what is known of the status list of the token is out of date",
    "CLOCK_SKEWED": "the clock of the verifier is behind that of the broker",
}


@dataclass(slots=True)
class _List:
    name: str
    asked_at_ms: float
    known: DatedList | None = None
    failure: VerificationError | DocumentUnavailable | None = None
    """What was wrong with the last one."""
    watched: dict[int, int] = field(default_factory=dict)
    """By index, how many watch it."""
    refresh: Refresh | None = None

    def ttl_ms(self) -> float:
        """As long as the list says, and no longer than our own say."""
        seconds = STATUS_LIST_TTL_SECONDS if self.known is None else self.known.ttl_seconds
        return min(max(seconds, _TTL_SECONDS_MIN), STATUS_LIST_TTL_SECONDS) * 1_000

    def refusal_of(self, index: int) -> VerificationError | None:
        """What a token is refused for by what its list says, however old that is; ``None`` while it is valid."""
        status = VALID if self.known is None else status_at(self.known.statuses, index)
        if status == VALID:
            return None
        if status is None:
            return claims_invalid("status.status_list.idx within its list")
        message = "the token is not valid any more by its status list"
        return VerificationError("REVOKED", message, {"reason": "unspecified"})


@dataclass(frozen=True, slots=True)
class ListsState:
    """Of the lists in use."""

    age_ms: float
    """Of the oldest."""
    invalid: int
    """How many tokens they refuse."""
    refusal: Unfitness | None
    """Why one is not to be believed at present."""
    failure: str | None


class StatusLists:
    """Kept for the tokens that were presented here lately, in the event loop in which it is made."""

    def __init__(self, place: IssuerPlace, issuer: str, keys: IssuerKeys, clock: Clock) -> None:
        self._place, self._issuer, self._keys, self._clock = place, issuer, keys, clock
        self._loop = asyncio.get_running_loop()
        self._lists: dict[str, _List] = {}
        self._listeners = DenialListeners()
        self._is_closed = False

    async def learn(self, status: TokenStatus) -> bool:
        """Has the list of a token at hand, no older than its ``ttl``, if it can be had; returns whether that took waiting."""
        if self._is_closed:
            return False
        wanted, refresh = self._list_of(status.list)
        known = wanted.known
        since_ms = math.inf if known is None else self._clock.monotonic_ms() - known.dated.received.monotonic_ms
        # What is known will do for a while, where a newer one can't be had.
        if since_ms <= wanted.ttl_ms() or (known is not None and refresh.failing):
            return False
        refresh.begin_unless_within(_ASKED_ANEW_MS_MIN)
        await refresh.finished()
        return True

    def check_valid(self, status: TokenStatus, bound_ms: float) -> None:
        """By what is at hand.

        :raises VerificationError: REVOKED; NOT_READY, STALE or CLOCK_SKEWED when that can't be told, with the code of what was wrong with the
            list as ``status_list``; CLAIMS_INVALID for an index beyond the list.
        """
        wanted = self._lists.get(status.list)
        if wanted is not None:
            wanted.asked_at_ms = self._clock.monotonic_ms()
        unfit = list_unfitness(None if wanted is None else wanted.known, instant_of(self._clock), bound_ms)
        if unfit is not None or wanted is None:
            # So that it is there when the token comes again; whoever asks may be in another thread.
            self._loop.call_soon_threadsafe(self._want, status.list)
            raise _unfit_of(unfit or "NOT_READY", wanted)
        refusal = wanted.refusal_of(status.index)
        if refusal is not None:
            raise refusal

    def listen(self, status: TokenStatus, listener: Listener) -> Callable[[], None]:
        """Calls once when the token is not valid any more; its list is fetched for as long as anybody listens."""
        wanted, _ = self._list_of(status.list)
        refusal = wanted.refusal_of(status.index)
        if refusal is not None:
            listener(refusal)
            return lambda: None
        index = status.index
        wanted.watched[index] = wanted.watched.get(index, 0) + 1
        if wanted.known is None:
            self._want(status.list)
        remove = self._listeners.add([_key_of(status.list, index)], listener)
        is_over = False

        def stop() -> None:
            nonlocal is_over
            remove()
            if not is_over:
                _unwatch(wanted, index)
            is_over = True

        return stop

    def state(self, now: Instant, bound_ms: float) -> ListsState:
        """How it stands with them."""
        lists = list(self._lists.values())
        known = [one.known for one in lists if one.known is not None]
        refusals = (list_unfitness(one.known, now, bound_ms) for one in lists)
        failures = (one.failure for one in lists)
        return ListsState(
            age_ms=max((age_ms(one.dated.as_of, now) for one in known), default=0.0),
            invalid=sum(count_not_valid(one.statuses) for one in known),
            refusal=next((one for one in refusals if one is not None), None),
            failure=next((one.message for one in failures if one is not None), None),
        )

    def close(self) -> None:
        """Fetches nothing any more."""
        self._is_closed = True
        for one in self._lists.values():
            if one.refresh is not None:
                one.refresh.close()

    def _want(self, name: str) -> None:
        if not self._is_closed:
            _, refresh = self._list_of(name)
            refresh.begin_unless_within(_ASKED_ANEW_MS_MIN)

    def _list_of(self, name: str) -> tuple[_List, Refresh]:
        known = self._lists.get(name)
        if known is not None and known.refresh is not None:
            known.asked_at_ms = self._clock.monotonic_ms()
            return known, known.refresh
        if len(self._lists) >= _LISTS_MAX:
            self._forget_one()
        made = _List(name, self._clock.monotonic_ms())
        refresh = Refresh(self._clock, lambda: self._fetch(made), lambda: self._due_ms(made))
        made.refresh = refresh
        self._lists[name] = made
        return made, refresh

    def _forget_one(self) -> None:
        """The one that was begun first of those that nobody watches."""
        idle = next((one for one in self._lists.values() if len(one.watched) == 0), None)
        if idle is not None:
            self._forget(idle)

    def _forget(self, one: _List) -> None:
        if one.refresh is not None:
            one.refresh.close()
        if self._lists.get(one.name) is one:
            del self._lists[one.name]

    def _is_in_use(self, one: _List) -> bool:
        return len(one.watched) > 0 or self._clock.monotonic_ms() - one.asked_at_ms <= _IN_USE_MS

    def _due_ms(self, one: _List) -> float | None:
        if self._is_in_use(one):
            return one.ttl_ms()
        self._forget(one)
        return None

    async def _fetch(self, wanted: _List) -> bool:
        clock, issuer, name = self._clock, self._issuer, wanted.name
        asked = Asked(f"/status/{name}", "application/statuslist+jwt", LIST_BYTES_MAX)
        sent = instant_of(clock)
        try:
            text = (await fetch_document(self._place, asked, clock)).decode("utf-8", "replace")
            received = instant_of(clock)
            now = math.floor(received.wall_ms / 1_000)
            verified = await self._keys.judged(
                lambda keys: verify_status_list_token(text, keys=keys, issuer=issuer, name=name, now=now)
            )
            wanted.known = dated_list_of(verified, sent, received, wanted.known)
            wanted.failure = None
        except (VerificationError, DocumentUnavailable) as error:
            wanted.failure = error
            # Of a list that cannot be had nobody asks again but with a token.
            if not self._is_in_use(wanted):
                self._forget(wanted)
            return False
        self._tell_watchers(wanted)
        return True

    def _tell_watchers(self, one: _List) -> None:
        for index in list(one.watched):
            refusal = one.refusal_of(index)
            if refusal is not None and not self._is_closed:
                self._listeners.tell(_key_of(one.name, index), refusal)


def _key_of(name: str, index: int) -> DenyKey:
    return ("status", name, str(index))


def _unwatch(one: _List, index: int) -> None:
    others = one.watched.get(index, 0) - 1
    if others > 0:
        one.watched[index] = others
    else:
        one.watched.pop(index, None)


def _unfit_of(unfit: Unfitness, wanted: _List | None) -> VerificationError:
    failure = None if wanted is None else wanted.failure
    why = {"status_list": str(failure.code)} if isinstance(failure, VerificationError) else {}
    return VerificationError(unfit, _UNFIT[unfit], why)
