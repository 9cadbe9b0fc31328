"""What a verifier refuses although its signature holds and its time is not over."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TypeAlias

DenyKey: TypeAlias = tuple[str, ...]
"""What a denial can name."""


def step_key(step_id: str) -> DenyKey:
    """A step by its id."""
    return ("step", step_id)


def spiffe_id_hash_key(hexadecimal: str) -> DenyKey:
    """A SPIFFE ID by its SHA-256."""
    return ("spiffe-id", hexadecimal)


def spiffe_id_key(spiffe_id: str) -> DenyKey:
    """A SPIFFE ID."""
    return spiffe_id_hash_key(sha256(spiffe_id.encode()).hexdigest())


def jwt_key(issuer: str, jti: str) -> DenyKey:
    """A token."""
    return ("jwt", issuer, jti)


@dataclass(frozen=True, slots=True)
class DenyListEntry:
    """One denial as the feed gave it."""

    keys: tuple[DenyKey, ...]
    """One for a credential, two for a step: its id, and the hash of its SPIFFE ID. None for what is never presented here."""
    reason: str
    """RFC 5280 reason name."""
    state: str | None
    """In which the step ended; ``None`` where a credential alone was revoked."""
    sequence: int
    forget_after_ms: float
    """Unix milliseconds; infinite for "never"."""


class DenyList:
    """Nothing that is denied is ever permitted again."""

    def __init__(self) -> None:
        self._by_key: dict[DenyKey, DenyListEntry] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, entries: Iterable[DenyListEntry]) -> list[DenyKey]:
        """Adds, and returns the keys that were not denied before.

        A denial that is there already changes nothing but when it may be forgotten: the later of both.
        """
        added = []
        for entry in entries:
            for key in entry.keys:
                known = self._by_key.get(key)
                if known is None:
                    added.append(key)
                self._by_key[key] = entry if known is None else _merged(known, entry)
        return added

    def find(self, keys: Iterable[DenyKey]) -> DenyListEntry | None:
        """The first denial of any of these."""
        return next((entry for key in keys if (entry := self._by_key.get(key)) is not None), None)

    def forget(self, now_ms: float) -> None:
        """Drops what may be forgotten; nothing else is ever dropped."""
        self._by_key = {key: entry for key, entry in self._by_key.items() if entry.forget_after_ms > now_ms}


def _merged(one: DenyListEntry, other: DenyListEntry) -> DenyListEntry:
    """The earlier tells why, the later how long; the same in whichever order they came."""
    first, second = sorted((one, other), key=lambda entry: (entry.sequence, f"{entry.reason} {entry.state}"))
    return replace(first, forget_after_ms=max(first.forget_after_ms, second.forget_after_ms))
