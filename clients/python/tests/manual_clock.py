"""A clock that moves only when told, and wakes who is due as it passes."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Value = TypeVar("Value")


class ManualClock:
    def __init__(self, start_ms: float) -> None:
        self._wall_ms = start_ms
        self._monotonic_ms = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def wall_ms(self) -> float:
        return self._wall_ms

    def monotonic_ms(self) -> float:
        return self._monotonic_ms

    async def sleep_ms(self, delay_ms: float) -> None:
        due = asyncio.Event()
        sleeper = (self._monotonic_ms + delay_ms, due)
        self._sleepers.append(sleeper)
        try:
            await due.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    def advance(self, ms: float) -> None:
        """Time passes."""
        self._wall_ms += ms
        self._monotonic_ms += ms
        for at_ms, due in self._sleepers:
            if at_ms <= self._monotonic_ms:
                due.set()

    def suspend(self, ms: float) -> None:
        """The machine is suspended: the wall clock goes on, the monotonic one stands still, and nobody is woken."""
        self._wall_ms += ms

    def set_wall(self, ms: float) -> None:
        """Somebody sets the wall clock."""
        self._wall_ms = ms


async def as_time_passes(clock: ManualClock, event: Awaitable[Value]) -> Value:
    async def tick() -> None:
        while True:
            await asyncio.sleep(0.005)
            clock.advance(100)

    ticking = asyncio.create_task(tick())
    try:
        return await event
    finally:
        ticking.cancel()
