"""A verifier for what agents' steps present, kept up to date by what the broker tells of revocations."""

import asyncio
import math
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final
from weakref import WeakKeyDictionary

from stint_mcp.call_check import TIMEOUT_SECONDS_DEFAULT, CallCheck, CheckedCall
from stint_mcp.clock import Clock, SystemClock
from stint_mcp.confirmation import Possession
from stint_mcp.dpop import parse_dpop_proof, verify_dpop_proof
from stint_mcp.errors import StintError, VerificationError, invalid_field
from stint_mcp.feed_source import FeedSource
from stint_mcp.freshness import LIST_STALENESS_SECONDS_MIN, StalenessBounds, Unfitness, bound_ms_of, check_bounds
from stint_mcp.grant import ACTIONS, Action, ToolUse, coverage_of
from stint_mcp.heard_by import heard_by, issuer_source_of
from stint_mcp.issuer_settings import IssuerRevocation
from stint_mcp.jwt_svid import verify_jwt_svid
from stint_mcp.limits import VERIFIER_LEEWAY_SECONDS
from stint_mcp.replay_cache import ReplayCache
from stint_mcp.resource_uri import check_audience
from stint_mcp.revocation_source import RevocationSource
from stint_mcp.spiffe_id import parse_trust_domain
from stint_mcp.usage import CallOutcome, UsageReporter
from stint_mcp.verified_step import VerifiedStep, verified_step_of
from stint_mcp.verifier_status import VerifierStatus
from stint_mcp.while_open import Listener, WhileOpen

_WARN_AFTER_SECONDS: Final = 1.0
"""Longer than a start takes where all is well, and shorter than anybody's patience."""

_UNFIT: Final[dict[Unfitness, str]] = {
    "NOT_READY": "the verifier has no revocations or keys yet",
    "STALE": "the revocations known to the verifier are out of date",
    "CLOCK_SKEWED": "the clock of the verifier is not that of the broker",
}


class Verifier:
    """Refuses what ended within milliseconds while connected, and everything once it has been without the feed for too long.

    Make it anywhere; it begins to hear in the event loop in which it is first started, entered, waited for or asked.

    :param audiences: what this verifier is: for an MCP server its canonical resource URI.
    :param endpoint: the workload endpoint; default: ``SPIFFE_ENDPOINT_SOCKET`` of the environment.
    :param revocation: how it hears of keys and of what has ended. Default: by the feed of the workload endpoint, within milliseconds. The
        others are for where that endpoint is not; ``endpoint``, ``grants_from`` and ``report_usage`` go with the feed alone.
    :param max_staleness_seconds: how old what it knows may be, by action; above 0, but for the feed 12 or more, and at most 60. Default:
        ``read`` 60, everything else ``default``, and that 15.
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
        revocation: IssuerRevocation | None = None,
        max_staleness_seconds: StalenessBounds | None = None,
        development: bool = False,
        allow_several_audiences: bool = False,
        grants_from: Sequence[str] = (),
        report_usage: bool = False,
        clock: Clock | None = None,
    ) -> None:
        # A text is a sequence of texts too.
        if isinstance(audiences, str) or len(audiences) == 0:
            raise invalid_field("audiences", "a list of at least one")
        for audience in audiences:
            check_audience(audience, "audiences")
        self._bounds = dict(max_staleness_seconds or {})
        check_bounds(self._bounds, 0 if revocation is None else LIST_STALENESS_SECONDS_MIN)
        self._audiences = tuple(audiences)
        self._development = development
        self._allow_several_audiences = allow_several_audiences
        self._grants_from = frozenset(parse_trust_domain(one, "grants_from") for one in grants_from)
        self._clock: Clock = clock or SystemClock()
        self._replays = ReplayCache()
        # What the broker is asked about. Apart from what was verified, which is logged and handed on.
        self._tokens: WeakKeyDictionary[VerifiedStep, str] = WeakKeyDictionary()
        self._loosest_ms = bound_ms_of(self._bounds, ())
        self._calls: CallCheck | None = None
        self._usage: UsageReporter | None = None
        self._source: RevocationSource
        heard = heard_by(endpoint, revocation, grants_from, report_usage=report_usage)
        if isinstance(heard, str):
            self._source = FeedSource(heard, self._audiences, self._loosest_ms, self._clock, self._wake)
            self._calls = CallCheck(heard)
            self._usage = UsageReporter(heard, self._clock) if report_usage else None
        else:
            self._source = issuer_source_of(heard, self._audiences, self._clock, self._wake)
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
        """Begins to hear of revocations, in the running event loop; does nothing once it has."""
        if self._changed is not None or self._is_closed:
            return
        self._changed = asyncio.Event()
        self._source.start()

    async def close(self) -> None:
        """Hears of nothing any more. From then on everything is refused as NOT_READY, and no listener is called any more."""
        self._is_closed = True
        self._wake()
        await self._source.close()
        if self._calls is not None:
            await self._calls.close()
        if self._usage is not None:
            await self._usage.close()

    async def ready(self, timeout_seconds: float | None = None) -> None:
        """Returns when all is there that judging a token takes: the deny-list, a bundle and the broker's time; by status lists the
        keys, by events that are polled the keys and an answer.

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
            message = f"the verifier is not ready after {timeout_seconds} s: it waits for {self._source.awaited()}"
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

        By status lists it waits for the one of the token, where that is not at hand or older than it allows: three seconds at most, and the
        same for a key that is new. Nothing is fetched for a token that nobody trusted has signed. By the feed everything is at hand.

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
        audiences = self._audiences if audience is None else (audience,)
        step = self._verified(token, audiences, actions, confirmation or Possession())
        # While it waited, keys may have been taken out, and the token may have expired.
        if await self._source.learn(step):
            step = self._verified(token, audiences, actions, confirmation or Possession())
        self._source.check_not_ended(step, self._bound_ms(actions))
        self._tokens[step] = token
        return step

    def _verified(
        self, token: str, audiences: Sequence[str], actions: Sequence[Action], confirmation: Possession
    ) -> VerifiedStep:
        """Whether it may have ended is not looked at."""
        self._check_fitness(actions)
        bundles = self._source.bundles
        verified = verify_jwt_svid(
            token,
            bundles=bundles,
            audiences=audiences,
            now=self._now_seconds(),
            development=self._development,
            allow_several_audiences=self._allow_several_audiences,
            confirmation=confirmation,
        )
        federated = bundles[verified.trust_domain].federated
        grants = not federated or verified.trust_domain in self._grants_from
        return verified_step_of(verified, federated=federated, grants=grants)

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

        It may when one element of its grant covers all of the use, it has not expired or been denied since it was verified, and what is known
        is fresh enough for these actions.

        :raises VerificationError: GRANT_EXCEEDED, EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY; CHECK_REQUIRED when all this
            holds, but the grant says how often, which the broker counts.
        """
        self._check_fitness(use.actions)
        self._source.check_not_ended(step, self._bound_ms(use.actions))
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

        Its expiry was for beginning and ends nothing, but for a foreign step, of whose end nobody tells, and by status lists, which tell
        nothing of a token that has expired.

        :raises VerificationError: EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY.
        """
        self._check_fitness(())
        self._source.check_not_ended(step, self._loosest_ms)
        if step.federated or not self._source.outlasts_tokens:
            self._check_not_expired(step)

    def on_closed(self, step: VerifiedStep, listener: Listener) -> Callable[[], None]:
        """Calls once, in the verifier's event loop, when the step or its credential is denied; at once if it is already.

        Returns what ends the listening. Neither its expiry nor a feed that is lost calls: what was admitted in time runs on until its step
        ends.
        """
        return self._source.listen(step, listener)

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
        if self._calls is None:
            message = "this call takes the word of the broker, which this verifier can't ask"
            raise VerificationError("POLICY_DENIED", message)
        return await self._calls.ask(token, step.audience, use, timeout_seconds)

    def report(self, step: VerifiedStep, use: ToolUse, outcome: CallOutcome) -> None:
        """Counts a call for the broker's history, where ``report_usage`` is set. Never waits, and never raises."""
        # Of a foreign step the broker knows no credential.
        if self._usage is not None and not step.federated:
            self._usage.add(step.jti, use.tool, use.actions, outcome)

    def while_open(self, step: VerifiedStep, use: ToolUse | None = None, *, ask: bool = False) -> WhileOpen:
        """``async with verifier.while_open(step, use):`` cancels its body when the step ends, and then raises the VerificationError.

        So it does when what the verifier knows is older than what is done allows. Enter it in the verifier's event loop, and once.

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
        """How it stands, and how old is what it knows."""
        of_source = self._source.status(self._bound_ms(ACTIONS))
        return VerifierStatus(
            connected=of_source.connected,
            refusal="NOT_READY" if self._is_closed else of_source.refusal,
            staleness_seconds=of_source.staleness_seconds,
            clock_offset_seconds=of_source.clock_offset_seconds,
            bundles=len(self._source.bundles),
            denied=of_source.denied,
            last_error=of_source.last_error,
            usage=None if self._usage is None else self._usage.status(),
        )

    async def _until_ready(self) -> None:
        while True:
            changed = self._changed
            if self._is_closed or changed is None:
                raise StintError("NOT_SERVING", "the verifier is closed")
            if self._refusal_within(self._loosest_ms) is None:
                return
            lasting = self._source.lasting_fault()
            if lasting is not None:
                raise lasting
            changed.clear()
            await changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()

    def _warn(self) -> None:
        warnings.warn(f"the verifier waits for {self._source.awaited()}", stacklevel=2)

    def _bound_ms(self, actions: Sequence[Action]) -> float:
        return bound_ms_of(self._bounds, actions) if actions else self._loosest_ms

    def _refusal_within(self, bound_ms: float) -> Unfitness | None:
        return "NOT_READY" if self._is_closed else self._source.unfitness(bound_ms)

    def _check_fitness(self, actions: Sequence[Action]) -> None:
        refusal = self._refusal_within(self._bound_ms(actions))
        if refusal is not None:
            raise VerificationError(refusal, _UNFIT[refusal])

    def _check_not_expired(self, step: VerifiedStep) -> None:
        if not self._now_seconds() < step.expires_at + VERIFIER_LEEWAY_SECONDS:
            raise VerificationError("EXPIRED", "the token has expired")

    def _now_seconds(self) -> int:
        return math.floor(self._clock.wall_ms() / 1_000)
