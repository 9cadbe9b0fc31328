"""The proofs that were used, for as long as they could be used again."""

from collections import Counter
from hashlib import sha256
from typing import Final

from stint_mcp.dpop import DPOP_AGE_SECONDS_MAX, DPOP_AHEAD_SECONDS_MAX
from stint_mcp.errors import VerificationError
from stint_mcp.limits import CLOCK_SKEW_SECONDS_MAX

KEEP_SECONDS: Final = DPOP_AGE_SECONDS_MAX + DPOP_AHEAD_SECONDS_MAX + 2 * CLOCK_SKEW_SECONDS_MAX
"""By as much as the clock may be set back without the verifier refusing everything, a proof holds longer."""

_CAPACITY: Final = 100_000
"""Some 20 MiB, and more than a thousand requests a second."""
_HOLDER_SHARE: Final = 10
"""So that ten keys have to be in it together before others are refused."""


class ReplayCache:
    """Remembers a bounded number of proofs.

    A full cache refuses, since a proof that is forgotten early could be used twice. One key has a share of the room and no more, so that the
    holder who floods the cache is the one refused. See RFC 9449 section 11.1.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity, self._share = capacity, -(-capacity // _HOLDER_SHARE)
        # By digest, the holder and when it may be forgotten. All are kept equally long, so that they end in the order in which they came.
        self._used: dict[bytes, tuple[str, int]] = {}
        self._by_holder: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, holder: str, jti: str, now: int) -> None:
        """Takes a proof that holds in every other respect; a proof that does not hold must not be remembered.

        :param holder: the thumbprint of the proof's key.
        :raises VerificationError: PROOF_REPLAYED; OVERLOADED when there is no room for another proof.
        """
        self._forget(now)
        # A digest of both: equally long whatever the `jti`, and no key can use up another key's `jti`.
        digest = sha256(f"{holder} {jti}".encode("utf-8", "surrogatepass")).digest()
        if digest in self._used:
            raise VerificationError("PROOF_REPLAYED", "the proof was used before")
        if len(self._used) >= self._capacity or self._by_holder[holder] >= self._share:
            raise VerificationError("OVERLOADED", "the verifier cannot remember more proofs at present")
        self._used[digest] = (holder, now + KEEP_SECONDS)
        self._by_holder[holder] += 1

    def _forget(self, now: int) -> None:
        while self._used:
            digest, (holder, forget_at) = next(iter(self._used.items()))
            if forget_at > now:
                return
            del self._used[digest]
            self._by_holder[holder] -= 1
            if self._by_holder[holder] == 0:
                del self._by_holder[holder]
