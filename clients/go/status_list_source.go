package stint

import (
	"crypto/x509"
	"sync"
	"time"
)

// StatusListRevocation has a verifier hear of revocations by the OAuth Token Status Lists of a broker, which has status_lists: true.
type StatusListRevocation struct {
	// Issuer is the broker's issuer URL, exactly as its tokens have it as iss: a list of any other is not looked at.
	Issuer string
	// TrustDomain is the broker's, e.g. example.org; tokens of any other are refused.
	TrustDomain string
	// URL is where the broker's keys and lists are fetched: https, or http to this machine. Empty: at Issuer. Whatever a token says, nothing
	// else is fetched.
	URL string
	// Roots are those who may vouch for that server; nil: those that the machine has.
	Roots *x509.CertPool
}

func (revocation StatusListRevocation) source(options Options, onChange func()) (revocationSource, error) {
	at, err := issuerOf(revocation.Issuer, revocation.TrustDomain, revocation.URL)
	if err != nil {
		return nil, err
	}
	at.place = placeOf(at.address, revocation.Roots, nil, options.Clock)
	source := &statusListSource{at: at}
	source.keys = keepIssuerKeys(at, onChange, &source.underWay)
	source.lists = &statusLists{
		at: at, keys: source.keys, denials: newListeners(), underWay: &source.underWay, byName: map[string]*keptList{},
	}
	return source, nil
}

// statusListSource is the broker's status lists: each token says in which one it is, and nothing is told of anything else.
type statusListSource struct {
	at       issuerAt
	keys     *issuerKeys
	lists    *statusLists
	underWay sync.WaitGroup
}

func (source *statusListSource) bundles() bundleSet { return source.keys.bundles() }

func (source *statusListSource) outlastsTokens() bool { return false }

// unfitness is by the keys; how old a list is, is looked at with each token.
func (source *statusListSource) unfitness(bound time.Duration) Code {
	return source.keys.unfitness(bound)
}

func (source *statusListSource) learn(step *VerifiedStep) (hasWaited bool, refused *Refusal) {
	status, refused := statusOf(step.Claims, source.at.issuer)
	if refused != nil {
		return false, refused
	}
	return source.lists.learn(status), nil
}

func (source *statusListSource) checkNotEnded(step *VerifiedStep, bound time.Duration) *Refusal {
	status, refused := statusOf(step.Claims, source.at.issuer)
	if refused != nil {
		return refused
	}
	return source.lists.checkValid(status, bound)
}

func (source *statusListSource) listen(step *VerifiedStep, listener func(*Refusal)) (stop func()) {
	status, refused := statusOf(step.Claims, source.at.issuer)
	if refused != nil {
		listener(refused)
		return func() {}
	}
	return source.lists.listen(status, listener)
}

func (source *statusListSource) status(bound time.Duration) Status {
	now := instantAt(source.at.place.clock)
	sent, failure := source.keys.state()
	ofLists := source.lists.state(now, bound)
	if failure == "" {
		failure = ofLists.failure
	}
	status := Status{
		Connected: sent != nil && failure == "", Refusal: source.unfitness(bound), Denied: ofLists.invalid, LastError: failure,
	}
	if status.Refusal == "" {
		status.Refusal = ofLists.refusal
	}
	if sent != nil {
		staleness := max(ageOf(*sent, now), ofLists.age)
		status.Staleness = &staleness
	}
	return status
}

func (source *statusListSource) lastingFault() error { return nil }

func (source *statusListSource) awaited() string {
	return source.keys.awaited("the keys of the broker")
}

func (source *statusListSource) close() {
	source.keys.refresh.close()
	source.lists.close()
	source.underWay.Wait()
}
