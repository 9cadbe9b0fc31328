package stint

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// Between polls that were answered at once.
	pollPause = 200 * time.Millisecond
	// How often the stream is asked to show whether another process receives it: as often as one may.
	showInterval = 61 * time.Second
	// After another was noticed: until it would have shown again.
	aloneAfter = 130 * time.Second
	stateBytes = 16
	// What was shown before these was acknowledged long ago.
	statesMax = 8
)

// PollRevocation has a verifier hear of revocations by the security events of a broker, which has ssf.transmit: true. The stream is its
// verifier entry's, of which one process at a time is the receiver: what one has acknowledged no other is told.
type PollRevocation struct {
	// Issuer is the broker's issuer URL, exactly as its tokens have it as iss: an event of any other is not looked at.
	Issuer string
	// TrustDomain is the broker's, e.g. example.org; tokens of any other are refused.
	TrustDomain string
	// URL is where the broker's keys and events are asked for: https. Empty: at Issuer. Whatever a token says, nothing else is.
	URL string
	// Roots are those who may vouch for that server; nil: those that the machine has.
	Roots *x509.CertPool
	// SVID gives the verifier's own X.509-SVID as it is now; it is asked for with each request, and must end when the context is done.
	SVID func(ctx context.Context) (*tls.Certificate, error)
}

func (revocation PollRevocation) source(options Options, onChange func()) (revocationSource, error) {
	at, err := issuerOf(revocation.Issuer, revocation.TrustDomain, revocation.URL)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(at.address, "https:") {
		return nil, invalidField("revocation.url", "an https URL, where the verifier shows who it is")
	}
	if revocation.SVID == nil {
		return nil, invalidField("revocation.svid", "where the verifier has its own X.509-SVID from")
	}
	at.place = placeOf(at.address, revocation.Roots, nil, options.Clock)
	streams := &eventStreams{svid: revocation.SVID}
	show := func() (*tls.Certificate, error) { return streams.shown.Load(), nil }
	streams.place = placeOf(at.address, revocation.Roots, show, options.Clock)
	source := &pollSource{
		at: at, audiences: options.Audiences, clock: options.Clock, streams: streams, onChange: onChange,
		denials: newListeners(), denied: denyList{},
	}
	source.keys = keepIssuerKeys(at, onChange, &source.underWay)
	source.polling = &refresh{
		clock: options.Clock, fetch: source.pollOnce, underWay: &source.underWay,
		after: func() (time.Duration, bool) { return pollPause, true },
	}
	source.polling.begin()
	return source, nil
}

// pollSource is the broker's security events, polled: they tell of each end once, and nothing of what had ended before this process began
// to hear. So what was issued before that is refused.
type pollSource struct {
	at        issuerAt
	audiences []string
	clock     Clock
	streams   *eventStreams
	onChange  func()
	denials   *listeners
	keys      *issuerKeys
	polling   *refresh
	underWay  sync.WaitGroup

	mutex  sync.Mutex
	denied denyList
	// When the last poll was answered; nil: not since the stream was opened.
	answeredAt *dated
	// From when on every end is heard, by the issuer's clock; zero: nothing is heard for certain.
	hearsSince    time.Time
	failure       string
	audienceFault *Error

	// Of the goroutine that polls alone: the stream, what is acknowledged next, and what this process has asked the stream to show.
	stream       *eventStream
	acknowledged []string
	states       []string
	shownAt      *time.Duration
	othersSeenAt *time.Duration
}

func (source *pollSource) bundles() bundleSet { return source.keys.bundles() }

func (source *pollSource) outlastsTokens() bool { return true }

func (source *pollSource) unfitness(bound time.Duration) Code {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return source.unfit(bound)
}

func (source *pollSource) unfit(bound time.Duration) Code {
	if sent, _ := source.keys.state(); sent == nil || source.hearsSince.IsZero() {
		return NotReady
	}
	if unfit := source.keys.unfitness(bound); unfit != "" {
		return unfit
	}
	return source.answeredAt.unfitness(instantAt(source.clock), bound)
}

func (source *pollSource) learn(*VerifiedStep) (hasWaited bool, refused *Refusal) { return false, nil }

func (source *pollSource) checkNotEnded(step *VerifiedStep, _ time.Duration) *Refusal {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	issuedAt, isSaid := numericDateOf(step.Claims["iat"])
	if source.hearsSince.IsZero() || !isSaid || time.Unix(issuedAt, 0).Before(source.hearsSince) {
		return claimsInvalid("iat since this verifier began to hear")
	}
	return source.denialOf(step)
}

func (source *pollSource) listen(step *VerifiedStep, listener func(*Refusal)) (stop func()) {
	refusal := func() *Refusal { return source.denialOf(step) }
	return source.denials.addUnless(&source.mutex, refusal, step.denyKeys, listener)
}

// denialOf is called with the mutex held.
func (source *pollSource) denialOf(step *VerifiedStep) *Refusal {
	if denied := source.denied.find(step.denyKeys); denied != nil {
		return denied.refusal()
	}
	return nil
}

func (source *pollSource) status(bound time.Duration) Status {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	now := instantAt(source.clock)
	sent, failure := source.keys.state()
	if source.failure != "" {
		failure = source.failure
	}
	status := Status{
		Connected: source.answeredAt != nil && failure == "", Refusal: source.unfit(bound), Denied: len(source.denied), LastError: failure,
	}
	if sent != nil && source.answeredAt != nil {
		staleness := max(ageOf(*sent, now), ageOf(source.answeredAt.asOf, now))
		status.Staleness = &staleness
	}
	return status
}

func (source *pollSource) lastingFault() error {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	if source.audienceFault != nil {
		return source.audienceFault
	}
	return nil
}

func (source *pollSource) awaited() string {
	const what = "keys and events of the broker"
	source.mutex.Lock()
	defer source.mutex.Unlock()
	if source.failure != "" {
		return what + " at " + source.at.address + " (" + source.failure + ")"
	}
	return source.keys.awaited(what)
}

func (source *pollSource) close() {
	source.keys.refresh.close()
	source.polling.close()
	source.underWay.Wait()
}

func (source *pollSource) pollOnce(ctx context.Context) bool {
	message := ""
	if failed := source.polled(ctx); failed != nil {
		message = failed.message
		if failed.isOfStream {
			source.beginAnew()
		}
	}
	source.mutex.Lock()
	source.failure = message
	source.mutex.Unlock()
	source.onChange()
	return message == ""
}

func (source *pollSource) polled(ctx context.Context) *unavailable {
	opened, failed := source.stream, (*unavailable)(nil)
	if opened == nil {
		if opened, failed = source.streams.open(ctx); failed != nil {
			return failed
		}
	}
	if failed := source.checkAudiences(opened); failed != nil {
		return failed
	}
	source.stream = opened
	if failed := source.showOnce(ctx, opened); failed != nil {
		return failed
	}
	source.mutex.Lock()
	waits := source.answeredAt != nil
	source.mutex.Unlock()
	answer, failed := source.streams.poll(ctx, source.acknowledged, waits)
	if failed != nil {
		return failed
	}
	received := instantAt(source.clock)
	if refused := source.takeAll(opened, answer); refused != nil {
		return &unavailable{message: refused.Message}
	}
	source.acknowledged = slices.Sorted(maps.Keys(answer.sets))
	if failed := source.streams.check(ctx, opened); failed != nil {
		return failed
	}
	source.heard(answer, received)
	return nil
}

func (source *pollSource) heard(answer *polled, received instant) {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	answeredAt := datedBy(answer.date, received, received)
	source.answeredAt, source.audienceFault = &answeredAt, nil
	if !answer.more && source.isAlone() && source.hearsSince.IsZero() {
		// The whole seconds of a token's iat are rounded down, and so is the answer's date.
		source.hearsSince = answer.date.Add(time.Second)
	}
	now := received.wall
	if answer.date.Before(now) {
		now = answer.date
	}
	source.denied.forget(now)
}

// isAlone says whether no other process receives the stream, as far as it would have shown.
func (source *pollSource) isAlone() bool {
	return source.othersSeenAt == nil || source.clock.Monotonic()-*source.othersSeenAt > aloneAfter
}

// beginAnew: what is told meanwhile may be told to nobody, or to somebody else.
func (source *pollSource) beginAnew() {
	source.stream, source.acknowledged = nil, nil
	source.mutex.Lock()
	defer source.mutex.Unlock()
	source.answeredAt, source.hearsSince = nil, time.Time{}
}

// checkAudiences: what is presented elsewhere is not told here, so that a token for there would pass unwatched.
func (source *pollSource) checkAudiences(opened *eventStream) *unavailable {
	for _, one := range source.audiences {
		if slices.Contains(opened.audiences, one) {
			continue
		}
		message := "audiences: the entry of the verifier does not name " + one
		source.mutex.Lock()
		defer source.mutex.Unlock()
		source.audienceFault = &Error{Code: "AUDIENCE_INVALID", Message: message, Metadata: map[string]string{}}
		return unusable(message)
	}
	return nil
}

func (source *pollSource) takeAll(opened *eventStream, answer *polled) *Refusal {
	for _, text := range answer.sets {
		var said told
		refused := source.keys.judged(func(keys eventKeys) *Refusal {
			event, refused := verifySecurityEvent(text, keys, source.at.issuer, opened.audience)
			if refused == nil {
				said, refused = event.told(source.clock.Wall())
			}
			return refused
		})
		if refused != nil {
			return refused
		}
		source.take(said)
	}
	return nil
}

func (source *pollSource) take(said told) {
	switch said.kind {
	case toldVerification:
		state, _ := said.state.(string)
		if slices.Contains(source.states, state) {
			return
		}
		now := source.clock.Monotonic()
		source.othersSeenAt = &now
		source.mutex.Lock()
		defer source.mutex.Unlock()
		source.hearsSince = time.Time{}
	case toldDenial:
		source.mutex.Lock()
		added := source.denied.add([]denial{said.denial})
		source.mutex.Unlock()
		for _, key := range added {
			source.denials.told(key, said.denial.refusal())
		}
	}
}

func (source *pollSource) showOnce(ctx context.Context, opened *eventStream) *unavailable {
	now := source.clock.Monotonic()
	if source.shownAt != nil && now-*source.shownAt < showInterval {
		return nil
	}
	source.shownAt = &now
	random := make([]byte, stateBytes)
	_, _ = rand.Read(random)
	state := base64.RawURLEncoding.EncodeToString(random)
	source.states = append(source.states, state)
	source.states = source.states[max(0, len(source.states)-statesMax):]
	return source.streams.verify(ctx, opened, state)
}
