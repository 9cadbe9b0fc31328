package stint

import "time"

// revocationSource is where a verifier has its keys from, and hears of what has ended. It is used by several goroutines at once.
type revocationSource interface {
	// bundles are keys, by the trust domain whose they are.
	bundles() bundleSet
	// outlastsTokens says whether the end of a step is told of after the token has expired that it was known by.
	outlastsTokens() bool
	// unfitness is why nothing can be told at present, whatever is presented; empty when something can.
	unfitness(bound time.Duration) Code
	// learn has at hand what judging a step takes, if it can be had. It refuses what nothing would ever tell of: CLAIMS_INVALID.
	learn(step *VerifiedStep) (hasWaited bool, refused *Refusal)
	// checkNotEnded looks at what is at hand, and refuses what has ended: REVOKED; NOT_READY, STALE or CLOCK_SKEWED where that can't be told;
	// CLAIMS_INVALID for what nothing would ever tell of.
	checkNotEnded(step *VerifiedStep, bound time.Duration) *Refusal
	// listen calls once when the step or its credential is denied; at once if it is already. It returns what ends the listening.
	listen(step *VerifiedStep, listener func(*Refusal)) (stop func())
	// status is without the bundles.
	status(bound time.Duration) Status
	// lastingFault is what would keep it from being ready however long one waits.
	lastingFault() error
	// awaited is for people: what it waits for until it is ready.
	awaited() string
	// close hears nothing any more, and returns once nothing is under way.
	close()
}

// Revocation is how a verifier hears of keys and of what has ended, where it is not by the feed of the workload endpoint:
// [StatusListRevocation] or [PollRevocation].
type Revocation interface {
	// source begins to hear. onChange is called whenever something may be ready, or has failed.
	source(options Options, onChange func()) (revocationSource, error)
}
