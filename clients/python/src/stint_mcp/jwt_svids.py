"""The JWT-SVIDs of one step, each minted anew once two thirds of its life are over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from stint_mcp.clock import Clock
from stint_mcp.errors import StintError

_LIFE_USED_MAX: Final = 2 / 3
"""Leaves a third of it for a broker that is away, and for the credential to be used in."""
_LEFT_SECONDS_MIN: Final = 2
"""Handed out with less, it could expire on its way."""


class JwtSvid:
    """A JWT-SVID for one audience. No print of it shows the token, which is a bearer secret until it expires or its step ends."""

    __slots__ = ("__text", "audience", "expires_at", "spiffe_id")

    def __init__(self, text: str, spiffe_id: str, audience: str, expires_at: int) -> None:
        self.spiffe_id, self.audience = spiffe_id, audience
        self.expires_at = expires_at
        """Unix seconds, exclusive."""
        self.__text = text

    def svid(self) -> str:
        """The token itself, in JWS compact serialization."""
        return self.__text

    def authorization(self) -> str:
        """The value of an Authorization header."""
        return f"Bearer {self.__text}"

    def __repr__(self) -> str:
        return f"JwtSvid({self.audience!r})"

    def __reduce__(self) -> str:
        raise TypeError("a JwtSvid is not for storing: a copy would outlive its step")


Mint = Callable[[str], Awaitable[JwtSvid]]


class JwtSvids:
    """Callers that come while one is minted share it. When the broker is away and the old one still holds, it is given."""

    def __init__(self, mint: Mint, clock: Clock) -> None:
        self._mint, self._clock = mint, clock
        self._held: dict[str, tuple[JwtSvid, float]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def get(self, audience: str) -> JwtSvid:
        """Raises StintError as the broker says it."""
        async with self._turns.setdefault(audience, asyncio.Lock()):
            now = self._clock.wall_ms() / 1_000
            svid, minted_at = self._held.get(audience, (None, 0.0))
            if svid is not None and _is_fresh(svid, minted_at, now):
                return svid
            try:
                minted = await self._mint(audience)
            except StintError as error:
                still_holds = svid is not None and svid.expires_at - now >= _LEFT_SECONDS_MIN
                if svid is not None and still_holds and error.code in ("UNREACHABLE", "STEP_EXPIRING"):
                    return svid
                raise
            self._held[audience] = (minted, now)
            return minted


def _is_fresh(svid: JwtSvid, minted_at: float, now: float) -> bool:
    """A clock that was set back makes an age negative: not fresh."""
    is_young = 0 <= now - minted_at < (svid.expires_at - minted_at) * _LIFE_USED_MAX
    return is_young and svid.expires_at - now >= _LEFT_SECONDS_MIN
