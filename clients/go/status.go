package stint

import "time"

// Status is what a verifier says of itself.
type Status struct {
	// Connected says whether the broker has answered on the present stream; without the feed, whether everything that was asked for last was had.
	Connected bool
	// Refusal is why what has the strictest bound is refused at present: NotReady, Stale or ClockSkewed; empty when nothing is.
	Refusal Code
	// Staleness is how old its knowledge is, of status lists by the oldest in use; nil before the first deny-list or keys.
	Staleness *time.Duration
	// ClockOffset is how far this machine's clock is ahead of the broker's; nil where nothing tells.
	ClockOffset *time.Duration
	Bundles     int
	// Denied are the names on the deny-list; a step has two. Of status lists in use: tokens that are not valid.
	Denied int
	// LastError is what ended the last stream, or kept a document from being had, in a few words.
	LastError string
}

// Status says how it stands, and how old is what the verifier knows.
func (verifier *Verifier) Status() Status {
	status := verifier.source.status(verifier.options.MaxStaleness.of(allActions))
	status.Bundles = len(verifier.source.bundles())
	verifier.mutex.Lock()
	defer verifier.mutex.Unlock()
	if verifier.isClosed {
		status.Refusal = NotReady
	}
	return status
}
