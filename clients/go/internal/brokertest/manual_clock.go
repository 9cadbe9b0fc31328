package brokertest

import (
	"context"
	"sync"
	"time"
)

// ManualClock moves only when told, and wakes who is due as it passes.
type ManualClock struct {
	mutex     sync.Mutex
	wall      time.Time
	monotonic time.Duration
	moved     chan struct{}
}

// NewManualClock gives a clock that stands at a time of day.
func NewManualClock(wall time.Time) *ManualClock {
	return &ManualClock{wall: wall, monotonic: time.Second, moved: make(chan struct{})}
}

func (clock *ManualClock) Wall() time.Time {
	clock.mutex.Lock()
	defer clock.mutex.Unlock()
	return clock.wall
}

func (clock *ManualClock) Monotonic() time.Duration {
	clock.mutex.Lock()
	defer clock.mutex.Unlock()
	return clock.monotonic
}

func (clock *ManualClock) SleepUntil(ctx context.Context, monotonic time.Duration) {
	for {
		clock.mutex.Lock()
		isDue, moved := clock.monotonic >= monotonic, clock.moved
		clock.mutex.Unlock()
		if isDue {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// Advance: time passes.
func (clock *ManualClock) Advance(by time.Duration) { clock.move(by, by) }

// SetWallAhead: somebody sets the wall clock, or the machine is suspended, and the monotonic one stands still.
func (clock *ManualClock) SetWallAhead(by time.Duration) { clock.move(by, 0) }

func (clock *ManualClock) move(wall, monotonic time.Duration) {
	clock.mutex.Lock()
	defer clock.mutex.Unlock()
	clock.wall, clock.monotonic = clock.wall.Add(wall), clock.monotonic+monotonic
	close(clock.moved)
	clock.moved = make(chan struct{})
}
