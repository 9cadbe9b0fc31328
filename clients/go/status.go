package stint

import "time"

// Status is what a verifier says of itself.
type Status struct {
	// Connected says whether the broker has answered on the present stream.
	Connected bool
	// Refusal is why what has the strictest bound is refused at present: NotReady, Stale or ClockSkewed; empty when nothing is.
	Refusal Code
	// Staleness is how old its knowledge is, and ClockOffset how far this machine's clock is ahead of the broker's; nil before the first
	// deny-list.
	Staleness, ClockOffset *time.Duration
	Bundles                int
	// Denied are the names on the deny-list; a step has two.
	Denied int
	// LastError is what ended the last stream, in a few words.
	LastError string
}

// Status says how it stands with the feed.
func (verifier *Verifier) Status() Status {
	verifier.mutex.Lock()
	defer verifier.mutex.Unlock()
	status := Status{
		Connected: verifier.isConnected,
		Refusal:   verifier.unfitness(allActions),
		Bundles:   len(verifier.state.bundles),
		Denied:    len(verifier.state.denied),
		LastError: verifier.lastError,
	}
	if confirmed := verifier.state.confirmed; confirmed != nil {
		now := instantAt(verifier.options.Clock)
		staleness, offset := confirmed.staleness(now), confirmed.clockOffset(now)
		status.Staleness, status.ClockOffset = &staleness, &offset
	}
	return status
}
