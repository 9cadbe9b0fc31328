"""Work that ends when its step ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final

from stint_mcp.clock import Clock
from stint_mcp.deny_list import DenyKey
from stint_mcp.errors import VerificationError

_RECHECK_MS: Final = 1_000
"""How often work that is under way is held to the verifier's staleness bound, which no event tells of."""

Listener = Callable[[VerificationError], None]


class DenialListeners:
    """Who is told when something is denied, by its names."""

    def __init__(self) -> None:
        self._by_key: dict[DenyKey, dict[object, Listener]] = {}

    def add(self, keys: Iterable[DenyKey], listener: Listener) -> Callable[[], None]:
        """Calls once when any of these is denied. Returns what ends the listening; without it, it is kept for good."""
        token, names = object(), tuple(keys)

        def remove() -> None:
            for key in names:
                listeners = self._by_key.get(key, {})
                listeners.pop(token, None)
                if len(listeners) == 0:
                    self._by_key.pop(key, None)

        def tell(reason: VerificationError) -> None:
            remove()
            listener(reason)

        for key in names:
            self._by_key.setdefault(key, {})[token] = tell
        return remove

    def tell(self, key: DenyKey, reason: VerificationError) -> None:
        """Tells whoever listens for this key. One that raises is the event loop's affair, and stops nobody."""
        for listener in list(self._by_key.get(key, {}).values()):
            try:
                listener(reason)
            except Exception as raised:
                loop = asyncio.get_running_loop()
                loop.call_exception_handler({"message": "a listener for the end of a step failed", "exception": raised})


class WhileOpen:
    """An ``async with`` whose body is cancelled when its step ends; it then raises the VerificationError that says why.

    :param listen: tells of the end of the step; returns what ends the listening.
    :param recheck: raises VerificationError when the step may not be served any more for another reason, of which no event tells.
    :param ask: raises VerificationError when the body may not begin; ``None``: nobody has to be asked.
    """

    def __init__(
        self,
        listen: Callable[[Listener], Callable[[], None]],
        recheck: Callable[[], None],
        clock: Clock,
        ask: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self._listen, self._recheck, self._clock, self._ask = listen, recheck, clock, ask
        self.ended: VerificationError | None = None
        """Why its step has ended; ``None`` while it has not."""
        self._task: asyncio.Task[object] | None = None
        self._rechecking: asyncio.Task[None] | None = None
        self._cancelled_before = 0
        self._stop: Callable[[], None] | None = None

    async def __aenter__(self) -> None:
        self._stop = self._listen(self._end)
        try:
            if self._ask is not None:
                await self._ask()
            if self.ended is not None:
                raise self.ended
        except BaseException:
            self._stop()
            raise
        self._task = asyncio.current_task()
        self._cancelled_before = 0 if self._task is None else self._task.cancelling()
        self._rechecking = asyncio.get_running_loop().create_task(self._recheck_often())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _raised: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._stop is not None:
            self._stop()
        if self._rechecking is not None:
            self._rechecking.cancel()
        if self.ended is None:
            return
        if kind is not asyncio.CancelledError:
            await spent()
        # Our own cancellation ends here; one that somebody else has asked for besides goes on.
        left = 0 if self._task is None else self._task.uncancel()
        if left <= self._cancelled_before and kind is asyncio.CancelledError:
            raise self.ended from None

    async def _recheck_often(self) -> None:
        while self.ended is None:
            await self._clock.sleep_ms(_RECHECK_MS)
            try:
                self._recheck()
            except VerificationError as error:
                self._end(error)

    def _end(self, reason: VerificationError) -> None:
        if self.ended is not None:
            return
        self.ended = reason
        if self._task is not None:
            self._task.cancel()


async def spent() -> None:
    """A cancellation that the body was through before it could feel is not left for whatever comes after."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return
