package stint

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Longer than a start takes where all is well, and shorter than anybody's patience.
const warnAfter = time.Second

var unfitWords = map[Code]string{
	NotReady:    "the verifier has no revocations or keys yet",
	Stale:       "the revocations known to the verifier are out of date",
	ClockSkewed: "the clock of the verifier is not that of the broker",
}

// Verifier is for what agents' steps present, kept up to date by what the broker tells of revocations.
//
// It refuses what ended within milliseconds while connected, and everything once it has been without the feed for too long. It may be
// used by several goroutines at once.
type Verifier struct {
	options Options
	source  revocationSource
	// nil: there is nobody to ask.
	channel *grpc.ClientConn
	proofs  *replayCache

	mutex    sync.Mutex
	isClosed bool
	// Closed, and made anew, whenever something has changed that somebody may wait for.
	changed chan struct{}
}

// NewVerifier makes a verifier, which hears of revocations from then on, until it is closed.
//
// It fails with an *Error INVALID_FIELD for options that can't be.
func NewVerifier(options Options) (*Verifier, error) {
	options, socket, err := options.checked()
	if err != nil {
		return nil, err
	}
	verifier := &Verifier{options: options, proofs: newReplayCache(replayCapacity), changed: make(chan struct{})}
	if options.Revocation != nil {
		verifier.source, err = options.Revocation.source(options, verifier.wake)
		if err != nil {
			return nil, err
		}
		return verifier, nil
	}
	if verifier.channel, err = openChannel(socket); err != nil {
		return nil, err
	}
	verifier.source = newFeedSource(verifier.channel, socket, options, verifier.wake)
	return verifier, nil
}

// Close hears of nothing any more. From then on everything is refused as NOT_READY, and no listener is called any more.
func (verifier *Verifier) Close() error {
	verifier.mutex.Lock()
	verifier.isClosed = true
	verifier.mutex.Unlock()
	verifier.wake()
	verifier.source.close()
	if verifier.channel == nil {
		return nil
	}
	return verifier.channel.Close()
}

// Ready returns when all is there that judging a token takes: the deny-list, a bundle and the broker's time; by status lists the keys, by
// events that are polled the keys and an answer.
//
// What may mend itself is waited for, with a warning in the log after a second that says what it is; what only a change of settings mends
// is not. It fails with an *Error: AUDIENCE_INVALID or INVALID_FIELD as the broker says it, INVALID_FIELD for an endpoint that is no
// socket, NOT_SERVING when the verifier is closed or the context is done.
func (verifier *Verifier) Ready(ctx context.Context) error {
	warning := time.AfterFunc(warnAfter, func() {
		verifier.options.Logger.Warn("the verifier waits for " + verifier.source.awaited())
	})
	defer warning.Stop()
	for {
		isReady, changed, err := verifier.readiness()
		if err != nil || isReady {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notServing("the verifier is not ready in time: it waits for " + verifier.source.awaited())
		}
	}
}

func (verifier *Verifier) readiness() (isReady bool, changed <-chan struct{}, err error) {
	// What changes from here on is told by this one.
	verifier.mutex.Lock()
	isClosed, changed := verifier.isClosed, verifier.changed
	verifier.mutex.Unlock()
	if isClosed {
		return false, nil, notServing("the verifier is closed")
	}
	if verifier.unfitness(nil) == "" {
		return true, nil, nil
	}
	return false, changed, verifier.source.lastingFault()
}

// Presented is what a token is held to beside what the verifier was made with.
type Presented struct {
	// Audience is one of the verifier's own; empty: any of them.
	Audience string
	// Actions hold it to the staleness bound of these. nil: the loosest bound, so that whoever acts on the result calls
	// [Verifier.Authorize] first, which has its own.
	Actions []Action
	// Possession is what the caller has had proved; a bound token is refused without it.
	Possession Possession
}

// Verify verifies a step's JWT-SVID: signature, audience, time, and that neither step nor token is denied.
//
// By status lists it waits for the one of the token, where that is not at hand or older than it allows: three seconds at most, and the same
// for a key that is new. Nothing is fetched for a token that nobody trusted has signed. By the feed everything is at hand, and nothing is
// waited for.
//
// It fails with a *Refusal for every token that does not hold, and with an *Error INVALID_FIELD for an audience that is none of the
// verifier's.
func (verifier *Verifier) Verify(token string, presented Presented) (*VerifiedStep, error) {
	audiences := verifier.options.Audiences
	if presented.Audience != "" {
		if err := verifier.CheckAudience(presented.Audience); err != nil {
			return nil, err
		}
		audiences = []string{presented.Audience}
	}
	step, refused := verifier.verified(token, audiences, presented)
	if refused != nil {
		return nil, refused
	}
	hasWaited, refused := verifier.source.learn(step)
	if hasWaited && refused == nil {
		// Meanwhile keys may have been taken out, and the token may have expired.
		step, refused = verifier.verified(token, audiences, presented)
	}
	if refused == nil {
		refused = verifier.source.checkNotEnded(step, verifier.options.MaxStaleness.of(presented.Actions))
	}
	if refused != nil {
		return nil, refused
	}
	return step, nil
}

// verified does not look at whether the step may have ended.
func (verifier *Verifier) verified(token string, audiences []string, presented Presented) (*VerifiedStep, *Refusal) {
	if refused := verifier.unfit(presented.Actions); refused != nil {
		return nil, refused
	}
	bundles := verifier.source.bundles()
	svid, refused := verifyJWTSVID(token, jwtTerms{
		bundles: bundles, audiences: audiences, now: verifier.nowSeconds(), development: verifier.options.Development,
		allowSeveralAudiences: verifier.options.AllowSeveralAudiences, possession: presented.Possession,
	})
	if refused != nil {
		return nil, refused
	}
	return verifier.verifiedStepOf(svid, token, bundles[svid.trustDomain].federated)
}

// VerifyWithProof verifies a step's JWT-SVID that is bound to a key, and the DPoP proof that came with it, which is then used up: it is
// remembered in this process.
//
// It fails as [Verifier.Verify] does, and with PROOF_INVALID, PROOF_MISMATCH or PROOF_REPLAYED; OVERLOADED when no more proofs can be
// remembered. See RFC 9449 section 7.
func (verifier *Verifier) VerifyWithProof(token string, request RequestProof, presented Presented) (*VerifiedStep, error) {
	proof, refused := parseDPoPProof(request.Proof)
	if refused != nil {
		return nil, refused
	}
	// The token first: whose key it is not bound to does not get a signature of their own choice verified.
	presented.Possession.JKT = proof.jkt
	step, err := verifier.Verify(token, presented)
	if err != nil {
		return nil, err
	}
	now := verifier.nowSeconds()
	jti, refused := proof.verify(request, token, now)
	if refused == nil {
		refused = verifier.proofs.use(proof.jkt, "dpop "+jti, now)
	}
	if refused != nil {
		return nil, refused
	}
	return step, nil
}

// CheckAudience fails with an *Error INVALID_FIELD for an audience that is none of the verifier's.
//
// Denials for others are not sent, so a token for them would pass unwatched.
func (verifier *Verifier) CheckAudience(audience string) error {
	if !slices.Contains(verifier.options.Audiences, audience) {
		return invalidField("audience", "one of those that the verifier was created with")
	}
	return nil
}

// Authorize says whether the step may do this now.
//
// It may when one element of its grant covers all of the use, it has not expired or been denied since it was verified, and what is known is
// fresh enough for these actions. Else it fails with a *Refusal: GRANT_EXCEEDED, EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY;
// CHECK_REQUIRED when all this holds, but the grant says how often, which the broker counts. An *Error INVALID_FIELD is for a use
// without actions or classes of data.
func (verifier *Verifier) Authorize(step *VerifiedStep, use ToolUse) error {
	if err := use.check(); err != nil {
		return err
	}
	if refused := verifier.cannotServe(step, use.Actions, true); refused != nil {
		return refused
	}
	if !verifier.takesGrantsOf(step) {
		return refuse(GrantExceeded, "the step is of a foreign trust domain, whose grants do not count here")
	}
	isCovered, isCounted := step.Grant.coverage(step.Audience, use)
	if !isCovered {
		message := "the grant of the step does not permit this, which takes a step that was opened for it"
		if step.Grant.isForOtherDefinition(step.Audience, use) {
			message = "the grant is for another definition of the tool, and this one takes a step that was opened for it"
		}
		return refuse(GrantExceeded, message)
	}
	// Last of all, so that whoever has asked already knows that everything else holds.
	if isCounted {
		return refuse(CheckRequired, "the grant allows so many calls only, and the broker counts them")
	}
	return nil
}

// Covers says whether the grant of a step covers a use, however often; for what is shown to a step, and decides nothing.
func (verifier *Verifier) Covers(step *VerifiedStep, use ToolUse) bool {
	isCovered, _ := step.Grant.coverage(step.Audience, use)
	return use.check() == nil && verifier.takesGrantsOf(step) && isCovered
}

// Recheck says whether what was verified may still be served, whatever it does.
//
// Its expiry was for beginning and ends nothing, but for a foreign step, of whose end nobody tells, and by status lists, which tell nothing
// of a token that has expired. It fails with a *Refusal: EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY.
func (verifier *Verifier) Recheck(step *VerifiedStep) error {
	if refused := verifier.cannotServe(step, nil, step.Federated || !verifier.source.outlastsTokens()); refused != nil {
		return refused
	}
	return nil
}

// OnClosed calls once when the step or its credential is denied; at once if it is already. It returns what ends the listening.
//
// Neither its expiry nor a feed that is lost calls: what was admitted in time runs on until its step ends. What is told of ends waits for
// the listener to return.
func (verifier *Verifier) OnClosed(step *VerifiedStep, listener func(*Refusal)) (stop func()) {
	return verifier.source.listen(step, listener)
}

// Check asks the broker about one call, by its policies and all that it knows at this moment.
//
// For calls of high risk, and for grants that say how often. Everything that [Verifier.Authorize] looks at holds too. An allowed call has
// been counted: make it once, or not at all. It fails as Authorize does, but for CHECK_REQUIRED; and with POLICY_DENIED; UNAVAILABLE or
// OVERLOADED when the broker gives no answer in time. An *Error INVALID_FIELD is for a step that this verifier has not verified.
func (verifier *Verifier) Check(ctx context.Context, step *VerifiedStep, use ToolUse) (CheckedCall, error) {
	if _, err := verifier.isCounted(step, use); err != nil {
		return CheckedCall{}, err
	}
	if step.Federated {
		return CheckedCall{}, refuse(PolicyDenied, "the broker decides nothing for steps of foreign trust domains")
	}
	if step.verifier != verifier {
		return CheckedCall{}, invalidField("step", "a step as this verifier has verified it")
	}
	if verifier.channel == nil {
		return CheckedCall{}, refuse(PolicyDenied, "this call takes the word of the broker, which this verifier can't ask")
	}
	checked, refused := ask(ctx, verifier.channel, step.token(), step.Audience, use)
	if refused != nil {
		return CheckedCall{}, refused
	}
	return checked, nil
}

// isCounted says whether all holds but that the broker counts such calls; the error is for what does not hold.
func (verifier *Verifier) isCounted(step *VerifiedStep, use ToolUse) (bool, error) {
	err := verifier.Authorize(step, use)
	var refused *Refusal
	if errors.As(err, &refused) && refused.Code == CheckRequired {
		return true, nil
	}
	return false, err
}

func (verifier *Verifier) cannotServe(step *VerifiedStep, actions []Action, expires bool) *Refusal {
	if refused := verifier.unfit(actions); refused != nil {
		return refused
	}
	if refused := verifier.source.checkNotEnded(step, verifier.options.MaxStaleness.of(actions)); refused != nil {
		return refused
	}
	if expires && hasExpired(step.ExpiresAt, verifier.nowSeconds()) {
		return refuse(Expired, "the token has expired")
	}
	return nil
}

func (verifier *Verifier) takesGrantsOf(step *VerifiedStep) bool {
	return !step.Federated || slices.Contains(verifier.options.GrantsFrom, step.TrustDomain)
}

func (verifier *Verifier) nowSeconds() int64 { return verifier.options.Clock.Wall().Unix() }

func (verifier *Verifier) unfit(actions []Action) *Refusal {
	if code := verifier.unfitness(actions); code != "" {
		return refuse(code, unfitWords[code])
	}
	return nil
}

func (verifier *Verifier) unfitness(actions []Action) Code {
	verifier.mutex.Lock()
	isClosed := verifier.isClosed
	verifier.mutex.Unlock()
	if isClosed {
		return NotReady
	}
	return verifier.source.unfitness(verifier.options.MaxStaleness.of(actions))
}

func (verifier *Verifier) wake() {
	verifier.mutex.Lock()
	defer verifier.mutex.Unlock()
	close(verifier.changed)
	verifier.changed = make(chan struct{})
}
