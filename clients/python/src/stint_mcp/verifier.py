"""A verifier for what agents' steps present, kept up to date by the broker's feed of revocations."""

import asyncio
import math
import os
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final
from weakref import WeakKeyDictionary

from stint_mcp.call_check import TIMEOUT_SECONDS_DEFAULT, CallCheck, CheckedCall
from stint_mcp.call_error import CallFailure
from stint_mcp.clock import Clock, SystemClock, instant_of
from stint_mcp.confirmation import Possession
from stint_mcp.dpop import parse_dpop_proof, verify_dpop_proof
from stint_mcp.errors import StintError, VerificationError, invalid_field
from stint_mcp.feed_client import FeedClient, FeedOptions
from stint_mcp.feed_state import Applied, FeedState
from stint_mcp.freshness import StalenessBounds, Unfitness, bound_ms_of, check_bounds, clock_offset_ms, staleness_ms, unfitness
from stint_mcp.grant import ACTIONS, Action, ToolUse, coverage_of
from stint_mcp.jwt_svid import verify_jwt_svid
from stint_mcp.limits import VERIFIER_LEEWAY_SECONDS
from stint_mcp.ready import awaited, lasting_fault
from stint_mcp.replay_cache import ReplayCache
from stint_mcp.resource_uri import check_audience
from stint_mcp.spiffe_id import parse_trust_domain
from stint_mcp.usage import CallOutcome, UsageReporter
from stint_mcp.verified_step import VerifiedStep, refusal_of, verified_step_of
from stint_mcp.verifier_status import VerifierStatus
from stint_mcp.while_open import DenialListeners, Listener, WhileOpen

_WARN_AFTER_SECONDS: Final = 1.0
"""Longer than a start takes where all is well, and shorter than anybody's patience."""

_UNFIT: Final[dict[Unfitness, str]] = {
    "NOT_READY": "the verifier has no revocations or keys yet",
    "STALE": "the revocations known to the verifier are out of date",
    "CLOCK_SKEWED": "the clock of the verifier is not that of the broker",
}


class Verifier:
    """Refuses what ended within milliseconds while connected, and everything once it has been without the feed for too long.

    Make it anywhere; it begins to follow the feed in the event loop in which it is first started, entered, waited for or asked.

    :param audiences: what this verifier is: for an MCP server its canonical resource URI.
    :param endpoint: the workload endpoint; default: ``SPIFFE_ENDPOINT_SOCKET`` of the environment.
    :param max_staleness_seconds: how long it may go without the feed, by action; above 0, at most 60. Default: ``read`` 60, everything
        else ``default``, and that 15.
    :param development: accepts a throw-away broker's trust domain. Never in production: anybody can make one.
    :param allow_several_audiences: accepts tokens for several audiences, which identify and grant nothing.
    :param grants_from: foreign trust domains whose grants count here: their brokers then decide what their agents may do with these
        tools, and a step that ends there is refused here only once its token has expired. Default: none.
    :param report_usage: tells the broker what became of calls: those of the guards, and those that `report` is told.
    :param clock: replaced in tests alone.
    :raises StintError: INVALID_FIELD.
    """

    def __init__(
        self,
        audiences: Sequence[str],
        *,
        endpoint: str | None = None,
        max_staleness_seconds: StalenessBounds | None = None,
        development: bool = False,
        allow_several_audiences: bool = False,
        grants_from: Sequence[str] = (),
        report_usage: bool = False,
        clock: Clock | None = None,
    ) -> None:
        found = endpoint if endpoint is not None else os.environ.get("SPIFFE_ENDPOINT_SOCKET", "")
        if found == "":
            raise invalid_field("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET")
        # A text is a sequence of texts too.
        if isinstance(audiences, str) or len(audiences) == 0:
            raise invalid_field("audiences", "a list of at least one")
        for audience in audiences:
            check_audience(audience, "audiences")
        self._bounds = dict(max_staleness_seconds or {})
        check_bounds(self._bounds)
        self._endpoint = found
        self._audiences = tuple(audiences)
        self._development = development
        self._allow_several_audiences = allow_several_audiences
        self._grants_from = frozenset(parse_trust_domain(one, "grants_from") for one in grants_from)
        self._clock: Clock = clock or SystemClock()
        self._state = FeedState()
        self._listeners = DenialListeners()
        self._calls = CallCheck(found)
        self._replays = ReplayCache()
        self._usage = UsageReporter(found, self._clock) if report_usage else None
        # What the broker is asked about. Apart from what was verified, which is logged and handed on.
        self._tokens: WeakKeyDictionary[VerifiedStep, str] = WeakKeyDictionary()
        self._loosest_ms = bound_ms_of(self._bounds, ())
        self._feed: FeedClient | None = None
        self._failure: CallFailure | None = None
        self._is_closed = False
        self._changed: asyncio.Event | None = None

    async def __aenter__(self) -> "Verifier":
        self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _raised: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begins to follow the feed, in the running event loop; does nothing once it has."""
        if self._feed is not None or self._is_closed:
            return
        self._changed = asyncio.Event()
        self._feed = FeedClient(
            FeedOptions(
                endpoint=self._endpoint,
                audiences=self._audiences,
                max_staleness_seconds=self._loosest_ms / 1_000,
                clock=self._clock,
                state=self._state,
                on_applied=self._on_applied,
                on_failed=self._on_failed,
            )
        )

    async def close(self) -> None:
        """Ends the feed. From then on everything is refused as NOT_READY, and no listener is called any more."""
        self._is_closed = True
        self._wake()
        if self._feed is not None:
            await self._feed.close()
        await self._calls.close()
        if self._usage is not None:
            await self._usage.close()

    async def ready(self, timeout_seconds: float | None = None) -> None:
        """Returns when the deny-list, a bundle and the broker's time are there.

        What may mend itself is waited for, with a warning after a second that says what it is; what only a change of settings mends is
        not.

        :raises StintError: AUDIENCE_INVALID or INVALID_FIELD as the broker says it, INVALID_FIELD for an endpoint that is no socket,
            NOT_SERVING when closed or past the timeout.
        """
        self.start()
        loop = asyncio.get_running_loop()
        warning = loop.call_later(_WARN_AFTER_SECONDS, self._warn)
        try:
            await asyncio.wait_for(self._until_ready(), timeout_seconds)
        except TimeoutError:
            message = f"the verifier is not ready after {timeout_seconds} s: it waits for {self._awaited()}"
            raise StintError("NOT_SERVING", message) from None
        finally:
            warning.cancel()

    async def verify(
        self,
        token: str,
        *,
        audience: str | None = None,
        actions: Sequence[Action] = (),
        confirmation: Possession | None = None,
    ) -> VerifiedStep:
        """Verifies a step's JWT-SVID: signature, audience, time, and that neither step nor token is denied.

        :param audience: one of the verifier's own; default: any of them.
        :param actions: hold it to the staleness bound of these. Default: the loosest bound, so that whoever acts on the result calls
            `authorize` first, which has its own.
        :param confirmation: what the caller has had proved; a bound token is refused without it.
        :raises VerificationError: for every token that does not hold.
        :raises StintError: INVALID_FIELD for an audience that is none of the verifier's.
        """
        if audience is not None:
            self.check_audience(audience)
        self.start()
        self._check_fitness(actions)
        bundles = self._state.bundles
        verified = verify_jwt_svid(
            token,
            bundles=bundles,
            audiences=self._audiences if audience is None else (audience,),
            now=self._now_seconds(),
            development=self._development,
            allow_several_audiences=self._allow_several_audiences,
            confirmation=confirmation or Possession(),
        )
        federated = bundles[verified.trust_domain].federated
        step = verified_step_of(
            verified, federated=federated, grants=not federated or verified.trust_domain in self._grants_from
        )
        self._check_not_denied(step)
        self._tokens[step] = token
        return step

    async def verify_with_proof(
        self, token: str, proof: str, *, method: str, url: str, audience: str | None = None
    ) -> VerifiedStep:
        """Verifies a step's JWT-SVID that is bound to a key, and the DPoP proof that came with it, which is then used up.

        :param proof: the value of the DPoP header.
        :param url: of the request, as its client wrote it: behind a proxy the public one. Without query and fragment.
        :raises VerificationError: as `verify`; PROOF_INVALID, PROOF_MISMATCH or PROOF_REPLAYED; OVERLOADED when no more proofs can be
            remembered.

        See RFC 9449 section 7.
        """
        parsed = parse_dpop_proof(proof)
        # The token first: whose key it is not bound to does not get a signature of their own choice verified.
        step = await self.verify(token, audience=audience, confirmation=Possession(jkt=parsed.jkt))
        now = self._now_seconds()
        jti = verify_dpop_proof(parsed, method=method, url=url, token=token, now=now)
        self._replays.use(parsed.jkt, f"dpop {jti}", now)
        return step

    def check_audience(self, audience: str) -> None:
        """Raises StintError INVALID_FIELD for an audience that is none of the verifier's.

        Denials for others are not sent, so a token for them would pass unwatched.
        """
        if audience not in self._audiences:
            raise invalid_field("audience", "one of those that the verifier was created with")

    def authorize(self, step: VerifiedStep, use: ToolUse) -> None:
        """Whether the step may do this now.

        It may when one element of its grant covers all of the use, it has not expired or been denied since it was verified, and the feed is
        fresh enough for these actions.

        :raises VerificationError: GRANT_EXCEEDED, EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY; CHECK_REQUIRED when all this
            holds, but the grant says how often, which the broker counts.
        """
        self._check_fitness(use.actions)
        self._check_not_denied(step)
        self._check_not_expired(step)
        if step.federated and step.trust_domain not in self._grants_from:
            message = "the step is of a foreign trust domain, whose grants do not count here"
            raise VerificationError("GRANT_EXCEEDED", message)
        coverage = coverage_of(step.grant, step.audience, use)
        if not coverage.is_covered:
            message = "the grant of the step does not permit this, which takes a step that was opened for it"
            if coverage.is_of_other_definition:
                message = "the grant is for another definition of the tool, and this one takes a step that was opened for it"
            raise VerificationError("GRANT_EXCEEDED", message)
        # Last of all, so that whoever has asked already knows that everything else holds.
        if coverage.is_counted:
            raise VerificationError("CHECK_REQUIRED", "the grant allows so many calls only, and the broker counts them")

    def covers(self, step: VerifiedStep, use: ToolUse) -> bool:
        """Whether the step's grant covers a use, however often; for what is shown to a step, and decides nothing."""
        counts = not step.federated or step.trust_domain in self._grants_from
        return counts and coverage_of(step.grant, step.audience, use).is_covered

    def recheck(self, step: VerifiedStep) -> None:
        """Whether what was verified may still be served, whatever it does.

        Its expiry was for beginning and ends nothing, but for a foreign step, of whose end nobody tells.

        :raises VerificationError: EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY.
        """
        self._check_fitness(())
        self._check_not_denied(step)
        if step.federated:
            self._check_not_expired(step)

    def on_closed(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """Calls once, in the feed's event loop, when the step or its credential is denied; at once if it is already.

        Returns what ends the listening. Neither its expiry nor a feed that is lost calls: what was admitted in time runs on until its step
        ends.
        """
        entry = self._state.deny_list.find(step.deny_keys)
        if entry is None:
            return self._listeners.add(step.deny_keys, listener)
        listener(refusal_of(entry))
        return lambda: None

    async def check(
        self, step: VerifiedStep, use: ToolUse, *, timeout_seconds: float = TIMEOUT_SECONDS_DEFAULT
    ) -> CheckedCall:
        """Asks the broker about one call, by its policies and all that it knows at this moment.

        For calls of high risk, and for grants that say how often. Everything that `authorize` looks at holds too. An allowed call has been
        counted: make it once, or not at all.

        :raises VerificationError: what `authorize` does, but for CHECK_REQUIRED; POLICY_DENIED; UNAVAILABLE or OVERLOADED when the
            broker gives no answer in time.
        :raises StintError: INVALID_FIELD for a step that this verifier has not verified.
        """
        self._is_counted(step, use)
        if step.federated:
            raise VerificationError("POLICY_DENIED", "the broker decides nothing for steps of foreign trust domains")
        token = self._tokens.get(step)
        if token is None:
            raise invalid_field("step", "a step as this verifier has verified it")
        return await self._calls.ask(token, step.audience, use, timeout_seconds)

    def report(self, step: VerifiedStep, use: ToolUse, outcome: CallOutcome) -> None:
        """Counts a call for the broker's history, where ``report_usage`` is set. Never waits, and never raises."""
        # Of a foreign step the broker knows no credential.
        if self._usage is not None and not step.federated:
            self._usage.add(step.jti, use.tool, use.actions, outcome)

    def while_open(self, step: VerifiedStep, use: ToolUse | None = None, *, ask: bool = False) -> WhileOpen:
        """``async with verifier.while_open(step, use):`` cancels its body when the step ends, and then raises the VerificationError.

        So it does when the verifier has been without the feed for longer than what is done allows. Enter it in the feed's event loop, and
        once.

        :param use: what the body does, which must be granted; without it, only that it may still be served is looked at. A use that the
            grant counts is asked about on entering, as `check` does.
        :param ask: asks about any use: for those of high risk.
        :raises VerificationError: at once or on entering as `authorize` and `check` do, and on leaving why the step has ended.
        """
        asked = use if use is not None and (self._is_counted(step, use) or ask) else None
        return WhileOpen(
            lambda listener: self.on_closed(step, listener),
            lambda: self._recheck(step, use),
            self._clock,
            None if asked is None else lambda: self.check(step, asked),
        )

    def _is_counted(self, step: VerifiedStep, use: ToolUse) -> bool:
        """Whether all holds but that the broker counts such calls; raises VerificationError for what does not hold."""
        try:
            self.authorize(step, use)
        except VerificationError as error:
            if error.code != "CHECK_REQUIRED":
                raise
            return True
        return False

    def _recheck(self, step: VerifiedStep, use: ToolUse | None) -> None:
        if use is None:
            self.recheck(step)
            return
        try:
            self._is_counted(step, use)
        except VerificationError as error:
            # A call goes on past the expiry of the token that it came with, which was for calling; but never past its step's end.
            if error.code != "EXPIRED":
                raise
            # It ends with its token all the same where nobody would tell of its step's end.
            self.recheck(step)

    def status(self) -> VerifierStatus:
        """How it stands with the feed."""
        now, confirmation = instant_of(self._clock), self._state.confirmation
        return VerifierStatus(
            connected=self._feed is not None and self._feed.connected,
            refusal=self._refusal_within(bound_ms_of(self._bounds, ACTIONS)),
            staleness_seconds=None if confirmation is None else staleness_ms(confirmation, now) / 1_000,
            clock_offset_seconds=None if confirmation is None else clock_offset_ms(confirmation, now) / 1_000,
            bundles=len(self._state.bundles),
            denied=len(self._state.deny_list),
            last_error=None if self._feed is None else self._feed.last_error,
            usage=None if self._usage is None else self._usage.status(),
        )

    async def _until_ready(self) -> None:
        while True:
            changed = self._changed
            if self._is_closed or changed is None:
                raise StintError("NOT_SERVING", "the verifier is closed")
            if self._refusal_within(self._loosest_ms) is None:
                return
            lasting = lasting_fault(self._endpoint, self._failure)
            if lasting is not None:
                raise lasting
            changed.clear()
            await changed.wait()

    def _on_applied(self, applied: Applied) -> None:
        self._failure = None
        for key in applied.denied:
            entry = self._state.deny_list.find((key,))
            if entry is not None:
                self._listeners.tell(key, refusal_of(entry))
        self._wake()

    def _on_failed(self, failure: CallFailure) -> None:
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()

    def _warn(self) -> None:
        warnings.warn(f"the verifier waits for {self._awaited()}", stacklevel=2)

    def _awaited(self) -> str:
        return awaited(self._endpoint, self._failure, connected=self._feed is not None and self._feed.connected)

    def _refusal_within(self, bound_ms: float) -> Unfitness | None:
        return "NOT_READY" if self._is_closed else unfitness(self._state.confirmation, instant_of(self._clock), bound_ms)

    def _check_fitness(self, actions: Sequence[Action]) -> None:
        refusal = self._refusal_within(bound_ms_of(self._bounds, actions) if actions else self._loosest_ms)
        if refusal is not None:
            raise VerificationError(refusal, _UNFIT[refusal])

    def _check_not_denied(self, step: VerifiedStep) -> None:
        entry = self._state.deny_list.find(step.deny_keys)
        if entry is not None:
            raise refusal_of(entry)

    def _check_not_expired(self, step: VerifiedStep) -> None:
        if not self._now_seconds() < step.expires_at + VERIFIER_LEEWAY_SECONDS:
            raise VerificationError("EXPIRED", "the token has expired")

    def _now_seconds(self) -> int:
        return math.floor(self._clock.wall_ms() / 1_000)
