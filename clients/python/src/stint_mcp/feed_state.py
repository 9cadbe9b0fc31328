"""What a verifier knows by its feed. Pure: time comes in, nothing goes out but values."""

import math
from dataclasses import dataclass, field
from typing import Final

from stint_mcp.clock import Instant
from stint_mcp.deny_list import DenyKey, DenyList, DenyListEntry
from stint_mcp.errors import invalid_field
from stint_mcp.feed_messages import bundle_of, deny_list_entry_of, unix_ms_of
from stint_mcp.freshness import Confirmation, is_conclusive
from stint_mcp.gen.stint.v1.revocations_pb2 import WatchResponse
from stint_mcp.keys import JwtBundle

_SWEEP_INTERVAL_MS: Final = 30_000
"""A sweep visits the whole list, so not each second."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a message led to."""

    denied: list[DenyKey] = field(default_factory=list)
    """What is denied since, and was not before."""
    acknowledge: bytes | None = None
    """The cursor to acknowledge, when it moved."""
    confirmed: bool = False


class FeedState:
    """Deny-list, bundles, and how fresh they are."""

    def __init__(self) -> None:
        self.deny_list = DenyList()
        self.bundles: dict[str, JwtBundle] = {}
        self.confirmation: Confirmation | None = None
        """The last ping that was answered; ``None`` before the first deny-list and the first bundle are there."""
        self.cursor = b""
        """Where to resume; empty for a snapshot."""
        self._pings: dict[bytes, Instant] = {}
        self._parts: list[DenyListEntry] | None = None
        self._has_snapshot = False
        self._swept_at_ms = -math.inf
        # Foreign trust domains that this stream has not spoken of yet.
        self._unspoken: set[str] = set()

    def restart(self) -> None:
        """A new stream: what came half and what was not answered on the last one is void."""
        self._parts = None
        self._pings.clear()
        self._unspoken = {name for name, bundle in self.bundles.items() if bundle.federated}

    def forget_cursor(self) -> None:
        """The broker does not know the cursor as its own."""
        self.cursor = b""

    def pinged(self, nonce: bytes, sent: Instant) -> None:
        """A ping is under way."""
        self._pings[nonce] = sent

    def waiting_since(self) -> Instant | None:
        """When the ping was sent that has waited longest for its answer."""
        return next(iter(self._pings.values()), None)

    def apply(self, response: WatchResponse, received: Instant) -> Applied:
        """Takes one message in, whole.

        Raises StintError INVALID_FIELD when it cannot be applied; the stream is then of no use, since what was meant to be denied is not.
        """
        kind = response.WhichOneof("message")
        if kind == "snapshot":
            return self._apply_snapshot(response.snapshot)
        if kind == "denied":
            denied = self.deny_list.add([deny_list_entry_of(denial) for denial in response.denied.denials])
            return Applied(denied, self._move_to(response.denied.cursor))
        if kind == "pong":
            return self._apply_pong(response.pong, received)
        if kind == "bundle":
            bundle = bundle_of(response.bundle)
            # A set of its own for each state: a verification that has begun goes on with the keys that it began with.
            self.bundles = {**self.bundles, bundle.trust_domain: bundle}
            self._unspoken.discard(bundle.trust_domain)
            return Applied()
        raise invalid_field("message", "one of those of stint.v1.WatchResponse")

    def _apply_snapshot(self, part: WatchResponse.Snapshot) -> Applied:
        parts = [] if self._parts is None else self._parts
        parts.extend(deny_list_entry_of(denial) for denial in part.denials)
        self._parts = parts
        if not part.last:
            return Applied()
        # What the snapshot does not name is kept until it may be forgotten: nothing denied is ever permitted again, so a broker that
        # leaves it out has forgotten it, or was put back in time.
        denied = self.deny_list.add(parts)
        self._parts = None
        self._has_snapshot = True
        return Applied(denied, self._move_to(part.cursor))

    def _apply_pong(self, pong: WatchResponse.Pong, received: Instant) -> Applied:
        sent = self._pings.get(pong.nonce)
        if sent is None or not pong.HasField("broker_time"):
            return Applied()
        # Answers come in the order of the pings, so those before this one get none.
        for earlier in list(self._pings):
            del self._pings[earlier]
            if earlier == pong.nonce:
                break
        # A foreign bundle that did not come again was withdrawn meanwhile; all that do come before the first answer.
        self.bundles = {name: bundle for name, bundle in self.bundles.items() if name not in self._unspoken}
        self._unspoken.clear()
        has_own_bundle = any(not bundle.federated for bundle in self.bundles.values())
        candidate = Confirmation(sent, received, unix_ms_of(pong.broker_time))
        is_whole = self._has_snapshot and self._parts is None and has_own_bundle
        if not is_whole or not is_conclusive(candidate):
            return Applied()
        self.confirmation = candidate
        # By whichever clock is behind, so that a clock that is ahead for a moment makes nothing forgotten.
        self._sweep(min(received.wall_ms, candidate.broker_time_ms))
        return Applied([], self._move_to(pong.cursor), confirmed=True)

    def _move_to(self, cursor: bytes) -> bytes | None:
        # Short of a whole deny-list there is nothing to resume from, and nothing to acknowledge.
        is_ahead = self._has_snapshot and self._parts is None and cursor not in (b"", self.cursor)
        if not is_ahead:
            return None
        self.cursor = cursor
        return cursor

    def _sweep(self, now_ms: float) -> None:
        if abs(now_ms - self._swept_at_ms) >= _SWEEP_INTERVAL_MS:
            self._swept_at_ms = now_ms
            self.deny_list.forget(now_ms)
