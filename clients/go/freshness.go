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

func (bounds StalenessBounds) check() error {
	for action, bound := range bounds {
		if action != OtherActions && !slices.Contains(allActions, action) {
			return invalidField("max_staleness", "durations for "+namesOf(allActions)+", "+string(OtherActions))
		}
		if bound <= 0 || bound > maxStalenessMax {
			expected := fmt.Sprintf("more than 0 and at most %s", maxStalenessMax)
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

// staleness is how old the verifier's knowledge is.
//
// Counted from when the ping was sent, since the answer may have been under way for any part of the time, and on the clock that says
// more.
func (confirmed *confirmedAt) staleness(now instant) time.Duration {
	return max(now.wall.Sub(confirmed.sent.wall), now.monotonic-confirmed.sent.monotonic)
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
