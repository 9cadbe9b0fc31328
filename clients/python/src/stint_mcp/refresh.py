"""Something that is fetched again and again, once at a time."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Final

from stint_mcp.clock import Clock

_RETRY_MS: Final = 1_000
"""Soon beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once."""


class Refresh:
    """In the event loop in which it is made.

    :param fetch: raises nothing, and returns whether it went well.
    :param after_ms: how long after a fetch that went well the next one is due; ``None``: never, until somebody asks.
    """

    def __init__(self, clock: Clock, fetch: Callable[[], Awaitable[bool]], after_ms: Callable[[], float | None]) -> None:
        self.failing = False
        """Whether the last one failed."""
        self._clock, self._fetch, self._after_ms = clock, fetch, after_ms
        self._loop = asyncio.get_running_loop()
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._began_at_ms = -math.inf
        self._is_closed = False

    def begin(self) -> None:
        """Fetches, unless that is under way."""
        if self._under_way is None and not self._is_closed:
            self._under_way = self._loop.create_task(self._attempt())

    def begin_unless_within(self, ms: float) -> None:
        """The same, unless the last one began less than so many milliseconds ago."""
        if self._clock.monotonic_ms() - self._began_at_ms >= ms:
            self.begin()

    async def finished(self) -> None:
        """Waits for what is under way; returns whatever comes of it."""
        # Whoever gives up waiting does not end it for others.
        if self._under_way is not None:
            await asyncio.wait({self._under_way})

    def close(self) -> None:
        """Ends what is under way, and begins nothing any more."""
        self._is_closed = True
        for task in (self._next, self._under_way):
            if task is not None:
                task.cancel()

    async def _attempt(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._began_at_ms = self._clock.monotonic_ms()
        try:
            self.failing = not await self._fetch()
        finally:
            self._under_way = None
        if self._is_closed:
            return
        due_ms = _RETRY_MS * random.uniform(0.5, 1) if self.failing else self._after_ms()
        if due_ms is not None:
            self._next = self._loop.create_task(self._begin_after(due_ms))

    async def _begin_after(self, due_ms: float) -> None:
        await self._clock.sleep_ms(due_ms)
        self._next = None
        self.begin()
