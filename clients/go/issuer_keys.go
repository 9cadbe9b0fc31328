package stint

import (
	"bytes"
	"context"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// A key that was withdrawn is believed for this much longer: as long as a status list may be.
	keysInterval = 5 * time.Second
	// Whoever shows lists by keys that are not known does not make a verifier ask more often.
	keysIntervalMin = 2 * time.Second
	// A bundle of a hundred RSA-4096 authorities is 300 KiB.
	keysBytesMax  = 1024 * 1024
	bundlePath    = "/spiffe-bundle.json"
	eventKeysPath = "/keys/events.json"
)

// issuerAt is a broker whose documents are public.
type issuerAt struct {
	issuer, trustDomain string
	// Where its documents are: https, or http to this machine.
	address string
	place   issuerPlace
}

// issuerOf is without the place. It fails with an *Error INVALID_FIELD for settings that can't be.
func issuerOf(issuer, trustDomain, address string) (issuerAt, error) {
	if address == "" {
		address = issuer
	}
	if err := checkResourceURI(issuer, "revocation.issuer"); err != nil {
		return issuerAt{}, err
	}
	if err := checkResourceURI(address, "revocation.url"); err != nil {
		return issuerAt{}, err
	}
	parts, err := url.Parse(address)
	isHere := err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, parts.Hostname())
	if err != nil || parts.RawQuery != "" || (parts.Scheme != "https" && !isHere) {
		return issuerAt{}, invalidField("revocation.url", "an https URL without a query, or one of this machine")
	}
	if err := checkTrustDomain(trustDomain, "revocation.trust_domain"); err != nil {
		return issuerAt{}, err
	}
	return issuerAt{issuer: issuer, trustDomain: trustDomain, address: address}, nil
}

// issuerKeys are the keys of a trust domain's broker, from its public documents, as they are published.
type issuerKeys struct {
	at       issuerAt
	onChange func()
	refresh  *refresh

	mutex          sync.Mutex
	bundle, events []byte
	known          bundleSet
	signers        eventKeys
	sent           *instant
	failure        string
}

// keepIssuerKeys fetches them from then on, until it is closed.
func keepIssuerKeys(at issuerAt, onChange func(), underWay *sync.WaitGroup) *issuerKeys {
	keys := &issuerKeys{at: at, onChange: onChange, known: bundleSet{}, signers: eventKeys{}}
	keys.refresh = &refresh{
		clock: at.place.clock, fetch: keys.fetch, underWay: underWay,
		after: func() (time.Duration, bool) { return keysInterval, true },
	}
	keys.refresh.begin()
	return keys
}

// bundles are of the one trust domain; empty before the first fetch.
func (keys *issuerKeys) bundles() bundleSet {
	keys.mutex.Lock()
	defer keys.mutex.Unlock()
	return keys.known
}

// state gives when the documents were asked for that the keys are from, nil before the first; and what went wrong last, until something has
// gone well.
func (keys *issuerKeys) state() (sent *instant, failure string) {
	keys.mutex.Lock()
	defer keys.mutex.Unlock()
	return keys.sent, keys.failure
}

// unfitness is why nothing can be told by these keys at present; empty when something can.
func (keys *issuerKeys) unfitness(bound time.Duration) Code {
	sent, _ := keys.state()
	switch {
	case sent == nil:
		return NotReady
	case ageOf(*sent, instantAt(keys.at.place.clock)) > bound:
		return Stale
	default:
		return ""
	}
}

// awaited is for people: what has to be had, and what was wrong last.
func (keys *issuerKeys) awaited(what string) string {
	awaited := what + " at " + keys.at.address
	if _, failure := keys.state(); failure != "" {
		awaited += " (" + failure + ")"
	}
	return awaited
}

// judged judges something by the keys that sign status lists and events.
//
// A key that is not known may be new: then the keys are fetched, unless that was done a moment ago, and it is judged once more.
func (keys *issuerKeys) judged(judge func(eventKeys) *Refusal) *Refusal {
	refused := judge(keys.eventKeys())
	if refused == nil || refused.Code != KeyUnknown {
		return refused
	}
	<-keys.refresh.beginUnlessWithin(keysIntervalMin)
	return judge(keys.eventKeys())
}

func (keys *issuerKeys) eventKeys() eventKeys {
	keys.mutex.Lock()
	defer keys.mutex.Unlock()
	return keys.signers
}

func (keys *issuerKeys) fetch(ctx context.Context) bool {
	askedAt := instantAt(keys.at.place.clock)
	var events []byte
	var failedEvents *unavailable
	var fetching sync.WaitGroup
	fetching.Go(func() { events, failedEvents = keys.document(ctx, eventKeysPath) })
	bundle, failed := keys.document(ctx, bundlePath)
	fetching.Wait()
	if failed == nil {
		failed = failedEvents
	}
	if failed == nil {
		failed = keys.take(bundle, events, askedAt)
	}
	if failed != nil {
		keys.mutex.Lock()
		keys.failure = failed.message
		keys.mutex.Unlock()
	}
	keys.onChange()
	return failed == nil
}

func (keys *issuerKeys) document(ctx context.Context, path string) ([]byte, *unavailable) {
	return keys.at.place.fetch(ctx, asked{path: path, accept: "application/json", bytesMax: keysBytesMax})
}

func (keys *issuerKeys) take(bundle, events []byte, askedAt instant) *unavailable {
	keys.mutex.Lock()
	defer keys.mutex.Unlock()
	if !bytes.Equal(bundle, keys.bundle) || !bytes.Equal(events, keys.events) || keys.sent == nil {
		found, isBundle := keysOf(bundle, "jwt-svid")
		signers, isSet := keysOf(events, "sig")
		if !isBundle {
			return unavailablef("%s was answered with no keys", bundlePath)
		}
		if !isSet {
			return unavailablef("%s was answered with no keys", eventKeysPath)
		}
		// A set of its own for each state: a verification that has begun goes on with the keys that it began with.
		keys.known = bundleSet{keys.at.trustDomain: {
			trustDomain: keys.at.trustDomain, keys: found, issuer: keys.at.issuer,
			development: keys.at.trustDomain == developmentTrustDomain,
		}}
		keys.signers, keys.bundle, keys.events = signers, bundle, events
	}
	keys.sent, keys.failure = &askedAt, ""
	return nil
}
