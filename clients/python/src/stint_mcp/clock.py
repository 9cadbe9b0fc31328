"""Time for a verifier."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment by both clocks.

    A machine that was suspended shows it on the wall clock alone, and a wall clock that was set shows it against the monotonic one.
    """

    wall_ms: float
    monotonic_ms: float


class Clock(Protocol):
    """Replaced in tests alone."""

    def wall_ms(self) -> float:
        """Milliseconds since 1970 by the wall clock."""

    def monotonic_ms(self) -> float:
        """Milliseconds by a clock that is never set; where it counts from does not matter."""

    async def sleep_ms(self, delay_ms: float) -> None:
        """Returns after so many milliseconds of the monotonic clock."""


class SystemClock:
    """The machine's."""

    def wall_ms(self) -> float:
        """Milliseconds since 1970."""
        return time.time() * 1_000

    def monotonic_ms(self) -> float:
        """Milliseconds by the monotonic clock."""
        return time.monotonic() * 1_000

    async def sleep_ms(self, delay_ms: float) -> None:
        """Waits by the event loop."""
        await asyncio.sleep(delay_ms / 1_000)


def instant_of(clock: Clock) -> Instant:
    """Now, by both clocks."""
    return Instant(clock.wall_ms(), clock.monotonic_ms())
