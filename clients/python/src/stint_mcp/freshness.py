"""How old a verifier's knowledge is, and whether that is too old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from stint_mcp.clock import Instant
from stint_mcp.errors import invalid_field
from stint_mcp.grant import ACTIONS, Action
from stint_mcp.limits import CLOCK_SKEW_SECONDS_MAX, MAX_STALENESS_SECONDS_MAX

StalenessBounds: TypeAlias = Mapping[str, float]
"""How long a verifier may go without the feed before it refuses, in seconds: by action, and ``default``."""

# Reading out of date is worth some availability; what changes the world is not.
_READ_SECONDS: Final = 60.0
_DEFAULT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A ping that was answered: everything that the broker knew when it answered is applied."""

    sent: Instant
    received: Instant
    broker_time_ms: float
    """The broker's clock between the two, Unix milliseconds."""


Unfitness = Literal["NOT_READY", "STALE", "CLOCK_SKEWED"]
"""Why a verifier cannot tell at present."""


LIST_STALENESS_SECONDS_MIN: Final = 12
"""The strictest bound that status lists can keep.

A list is fetched every five seconds, may have lain in a cache for as long, and was signed up to two before that.
"""


def check_bounds(bounds: StalenessBounds, seconds_min: float = 0) -> None:
    """Raises StintError INVALID_FIELD for bounds that bind nothing, or less than ``seconds_min``, which the feed alone can keep."""
    known = (*ACTIONS, "default")
    for action, seconds in bounds.items():
        if action not in known:
            raise invalid_field("max_staleness_seconds", f"seconds for {', '.join(known)}")
        if not (0 < seconds <= MAX_STALENESS_SECONDS_MAX and seconds >= seconds_min):
            least = "more than 0" if seconds_min == 0 else f"at least {seconds_min}, but for the feed,"
            expected = f"{least} and at most {MAX_STALENESS_SECONDS_MAX} seconds"
            raise invalid_field(f"max_staleness_seconds.{action}", expected)


def bound_ms_of(bounds: StalenessBounds, actions: Sequence[Action]) -> float:
    """The strictest bound of several actions; of none, the loosest of all, which is what a mere token is held to."""

    def seconds_of(action: Action) -> float:
        if action in bounds:
            return bounds[action]
        return _READ_SECONDS if action == "read" else bounds.get("default", _DEFAULT_SECONDS)

    return 1_000 * (min(map(seconds_of, actions)) if actions else max(map(seconds_of, ACTIONS)))


def age_ms(since: Instant, now: Instant) -> float:
    """How long ago something was, on the clock that says more."""
    return max(now.wall_ms - since.wall_ms, now.monotonic_ms - since.monotonic_ms)


def staleness_ms(confirmation: Confirmation, now: Instant) -> float:
    """How old the verifier's knowledge is.

    Counted from when the ping was sent, since the answer may have been under way for any part of the time, and on the clock that says
    more.
    """
    return age_ms(confirmation.sent, now)


def clock_offset_ms(confirmation: Confirmation, now: Instant) -> float:
    """How far the wall clock is ahead of the broker's (negative: behind).

    By the last confirmation, and by what the monotonic clock has counted since, so that a clock set in between shows at once.
    """
    between = (confirmation.sent.monotonic_ms + confirmation.received.monotonic_ms) / 2
    return now.wall_ms - (confirmation.broker_time_ms + now.monotonic_ms - between)


def is_conclusive(confirmation: Confirmation) -> bool:
    """An answer that took longer than the skew that it is to reveal says nothing; the next ping asks again."""
    took_ms = confirmation.received.monotonic_ms - confirmation.sent.monotonic_ms
    return took_ms <= CLOCK_SKEW_SECONDS_MAX * 1_000


def unfitness(confirmation: Confirmation | None, now: Instant, bound_ms: float) -> Unfitness | None:
    """Why a verifier cannot tell at present; ``None`` when it can."""
    if confirmation is None:
        return "NOT_READY"
    # Written as "not within", so that a clock that is not a number refuses.
    if not staleness_ms(confirmation, now) <= bound_ms:
        return "STALE"
    return None if abs(clock_offset_ms(confirmation, now)) <= CLOCK_SKEW_SECONDS_MAX * 1_000 else "CLOCK_SKEWED"


@dataclass(frozen=True, slots=True)
class Dated:
    """When something of the broker's was made that says so itself."""

    made_at_ms: float
    """By the broker's clock, Unix milliseconds."""
    as_of: Instant
    """The same by this machine's clocks: never later than when it came."""
    received: Instant


def dated_by(made_at_ms: float, at: Instant, received: Instant) -> Dated:
    """``at`` is the latest that it can have been made at: when it was asked for, or when it came."""
    age = max(0.0, at.wall_ms - made_at_ms)
    return Dated(made_at_ms, Instant(at.wall_ms - age, at.monotonic_ms - age), received)


def dated_unfitness(dated: Dated | None, now: Instant, bound_ms: float) -> Unfitness | None:
    """Why it tells nothing at present; ``None`` when it does."""
    if dated is None:
        return "NOT_READY"
    # Written as "not within", so that a clock that is not a number refuses.
    if not age_ms(dated.as_of, now) <= bound_ms:
        return "STALE"
    # A clock that is ahead makes all of it old. One that is behind makes it, and tokens, good for longer.
    broker_ms = dated.made_at_ms + (now.monotonic_ms - dated.received.monotonic_ms)
    return None if broker_ms - now.wall_ms <= CLOCK_SKEW_SECONDS_MAX * 1_000 else "CLOCK_SKEWED"
