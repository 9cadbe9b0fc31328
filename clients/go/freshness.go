package stint

import (
	"fmt"
	"slices"
	"time"
)

// StalenessBounds say how long a verifier may go without the feed before it refuses: by action, and for those that are not named by
// [OtherActions].
type StalenessBounds map[Action]time.Duration

// OtherActions stands for every action that [StalenessBounds] do not name, but for [Read].
const OtherActions Action = "default"

// Reading out of date is worth some availability; what changes the world is not.
const (
	readStaleness    = 60 * time.Second
	defaultStaleness = 15 * time.Second
)

// The strictest bound that status lists can keep: a list is fetched every five seconds, may have lain in a cache for as long, and was
// signed up to two before that.
const listStalenessMin = 12 * time.Second

// check takes the strictest bound that can be kept; 0: any.
func (bounds StalenessBounds) check(strictest time.Duration) error {
	for action, bound := range bounds {
		if action != OtherActions && !slices.Contains(allActions, action) {
			return invalidField("max_staleness", "durations for "+namesOf(allActions)+", "+string(OtherActions))
		}
		if bound <= 0 || bound < strictest || bound > maxStalenessMax {
			least := "more than 0"
			if strictest > 0 {
				least = fmt.Sprintf("at least %s, but for the feed,", strictest)
			}
			expected := fmt.Sprintf("%s and at most %s", least, maxStalenessMax)
			return invalidField("max_staleness."+string(action), expected)
		}
	}
	return nil
}

// of gives the strictest bound of several actions; of none, the loosest of all, which is what a mere token is held to.
func (bounds StalenessBounds) of(actions []Action) time.Duration {
	if len(actions) == 0 {
		return slices.Max(bounds.each(allActions))
	}
	return slices.Min(bounds.each(actions))
}

func (bounds StalenessBounds) each(actions []Action) []time.Duration {
	each := make([]time.Duration, len(actions))
	for index, action := range actions {
		bound, isNamed := bounds[action]
		if !isNamed && action == Read {
			bound, isNamed = readStaleness, true
		}
		if !isNamed {
			bound, isNamed = bounds[OtherActions]
		}
		if !isNamed {
			bound = defaultStaleness
		}
		each[index] = bound
	}
	return each
}

// confirmedAt is a ping that was answered: everything that the broker knew when it answered is applied.
type confirmedAt struct {
	sent, received instant
	// The broker's clock between the two.
	brokerTime time.Time
}

// ageOf is how long ago something was, on the clock that says more.
func ageOf(since, now instant) time.Duration {
	return max(now.wall.Sub(since.wall), now.monotonic-since.monotonic)
}

// staleness is how old the verifier's knowledge is.
//
// Counted from when the ping was sent, since the answer may have been under way for any part of the time, and on the clock that says
// more.
func (confirmed *confirmedAt) staleness(now instant) time.Duration {
	return ageOf(confirmed.sent, now)
}

// clockOffset is how far the wall clock is ahead of the broker's (negative: behind).
//
// By the last confirmation, and by what the monotonic clock has counted since, so that a clock set in between shows at once.
func (confirmed *confirmedAt) clockOffset(now instant) time.Duration {
	between := (confirmed.sent.monotonic + confirmed.received.monotonic) / 2
	return now.wall.Sub(confirmed.brokerTime.Add(now.monotonic - between))
}

// isConclusive: an answer that took longer than the skew that it is to reveal says nothing; the next ping asks again.
func (confirmed *confirmedAt) isConclusive() bool {
	return confirmed.received.monotonic-confirmed.sent.monotonic <= clockSkewMax
}

// unfitness says why a verifier cannot tell at present; empty when it can.
func unfitness(confirmed *confirmedAt, now instant, bound time.Duration) Code {
	switch {
	case confirmed == nil:
		return NotReady
	case confirmed.staleness(now) > bound:
		return Stale
	case confirmed.clockOffset(now).Abs() > clockSkewMax:
		return ClockSkewed
	default:
		return ""
	}
}

// dated is when something of the broker's was made that says so itself.
type dated struct {
	// By the broker's clock.
	madeAt time.Time
	// The same by this machine's clocks: never later than when it came.
	asOf     instant
	received instant
}

// datedBy takes the latest that it can have been made at: when it was asked for, or when it came.
func datedBy(madeAt time.Time, at, received instant) dated {
	age := max(0, at.wall.Sub(madeAt))
	return dated{madeAt: madeAt, asOf: instant{wall: at.wall.Add(-age), monotonic: at.monotonic - age}, received: received}
}

// unfitness is why it tells nothing at present; empty when it does.
func (made *dated) unfitness(now instant, bound time.Duration) Code {
	if made == nil {
		return NotReady
	}
	if ageOf(made.asOf, now) > bound {
		return Stale
	}
	// A clock that is ahead makes all of it old. One that is behind makes it, and tokens, good for longer.
	brokerTime := made.madeAt.Add(now.monotonic - made.received.monotonic)
	if brokerTime.Sub(now.wall) > clockSkewMax {
		return ClockSkewed
	}
	return ""
}
