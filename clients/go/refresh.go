package stint

import (
	"context"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// Soon beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once.
const retryAfter = time.Second

// refresh is something that is fetched again and again, once at a time.
type refresh struct {
	clock Clock
	// fetch says whether it went well.
	fetch func(ctx context.Context) bool
	// after is how long after a fetch that went well the next one is due; false: never, until somebody asks.
	after func() (time.Duration, bool)
	// underWay is what its owner waits for when it closes.
	underWay *sync.WaitGroup

	mutex     sync.Mutex
	isClosed  bool
	isFailing bool
	hasBegun  bool
	beganAt   time.Duration
	// Closed once what is under way has finished; nil: nothing is.
	finished chan struct{}
	// Ends what is under way, and what waits to be begun.
	stopFetch, stopNext context.CancelFunc
}

// begin fetches, unless that is under way; the channel is closed once it has finished, whatever came of it.
func (one *refresh) begin() <-chan struct{} { return one.beginUnlessWithin(0) }

// beginUnlessWithin begins none within so long of the last.
func (one *refresh) beginUnlessWithin(interval time.Duration) <-chan struct{} {
	one.mutex.Lock()
	defer one.mutex.Unlock()
	return one.begun(interval)
}

// begun is called with the mutex held.
func (one *refresh) begun(interval time.Duration) <-chan struct{} {
	if one.finished != nil {
		return one.finished
	}
	now := one.clock.Monotonic()
	if one.isClosed || (one.hasBegun && now-one.beganAt < interval) {
		done := make(chan struct{})
		close(done)
		return done
	}
	if one.stopNext != nil {
		one.stopNext()
	}
	ctx, stop := context.WithCancel(context.Background())
	one.hasBegun, one.beganAt, one.finished, one.stopFetch = true, now, make(chan struct{}), stop
	one.underWay.Go(func() { one.attempt(ctx) })
	return one.finished
}

func (one *refresh) attempt(ctx context.Context) {
	isWell := one.fetch(ctx)
	endedAt := one.clock.Monotonic()
	// Without the lock, since its owner may close it meanwhile.
	due, isDue := time.Duration(float64(retryAfter)*(0.5+mathrand.Float64()/2)), true
	if isWell {
		due, isDue = one.after()
	}
	one.mutex.Lock()
	defer one.mutex.Unlock()
	one.stopFetch()
	one.isFailing = !isWell
	close(one.finished)
	one.finished = nil
	if one.isClosed || !isDue {
		return
	}
	waiting, stop := context.WithCancel(context.Background())
	one.stopNext = stop
	one.underWay.Go(func() {
		defer stop()
		one.clock.SleepUntil(waiting, endedAt+due)
		one.mutex.Lock()
		defer one.mutex.Unlock()
		// Whoever has begun one meanwhile has ended the waiting.
		if waiting.Err() == nil {
			one.begun(0)
		}
	})
}

func (one *refresh) failing() bool {
	one.mutex.Lock()
	defer one.mutex.Unlock()
	return one.isFailing
}

// close ends what is under way, and begins nothing any more.
func (one *refresh) close() {
	one.mutex.Lock()
	defer one.mutex.Unlock()
	one.isClosed = true
	if one.finished != nil {
		one.stopFetch()
	}
	if one.stopNext != nil {
		one.stopNext()
	}
}
