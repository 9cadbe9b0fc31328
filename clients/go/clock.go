package stint

import (
	"context"
	"time"
)

// Clock is time for a verifier; replaced in tests alone.
type Clock interface {
	// Wall is the time of day.
	Wall() time.Time
	// Monotonic is the time by a clock that is never set; where it counts from does not matter.
	Monotonic() time.Duration
	// SleepUntil returns when the monotonic clock has got there, or the context is done.
	SleepUntil(ctx context.Context, monotonic time.Duration)
}

// instant is one moment by both clocks: a machine that was suspended shows it on the wall clock alone, and a wall clock that was set
// shows it against the monotonic one.
type instant struct {
	wall      time.Time
	monotonic time.Duration
}

func instantAt(clock Clock) instant {
	return instant{wall: clock.Wall(), monotonic: clock.Monotonic()}
}

// systemClock is the machine's.
type systemClock struct{ started time.Time }

func (clock systemClock) Wall() time.Time {
	// Without the reading of the monotonic clock, by which differences would be taken.
	return time.Now().Round(0)
}

func (clock systemClock) Monotonic() time.Duration { return time.Since(clock.started) }

func (clock systemClock) SleepUntil(ctx context.Context, monotonic time.Duration) {
	timer := time.NewTimer(monotonic - clock.Monotonic())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
