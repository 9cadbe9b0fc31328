package stint

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"stint.example/stint/internal/stintv1"
)

// feedSource is the broker's feed: it tells of every end within milliseconds, and has all that it has told at hand.
type feedSource struct {
	socket  string
	clock   Clock
	denials *listeners
	// Called whenever something may be ready, or has failed.
	onChange func()
	end      context.CancelFunc
	feed     sync.WaitGroup

	mutex       sync.Mutex
	state       *feedState
	isConnected bool
	failure     *callFailure
	lastError   string
}

// newFeedSource follows the feed from then on, until it is closed. The bound is the loosest in use.
func newFeedSource(channel *grpc.ClientConn, socket string, options Options, onChange func()) *feedSource {
	ctx, end := context.WithCancel(context.Background())
	source := &feedSource{
		socket: socket, clock: options.Clock, denials: newListeners(), onChange: onChange, end: end, state: newFeedState(),
	}
	feed := &feedClient{
		channel: channel, audiences: options.Audiences, maxStaleness: options.MaxStaleness.of(nil), clock: options.Clock,
		knowledge: source,
	}
	source.feed.Go(func() { feed.follow(ctx) })
	return source
}

func (source *feedSource) close() {
	source.end()
	source.feed.Wait()
	source.mutex.Lock()
	defer source.mutex.Unlock()
	source.isConnected = false
}

func (source *feedSource) bundles() bundleSet {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return source.state.bundles
}

func (source *feedSource) outlastsTokens() bool { return true }

func (source *feedSource) unfitness(bound time.Duration) Code {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return unfitness(source.state.confirmed, instantAt(source.clock), bound)
}

func (source *feedSource) learn(*VerifiedStep) (hasWaited bool, refused *Refusal) { return false, nil }

func (source *feedSource) checkNotEnded(step *VerifiedStep, _ time.Duration) *Refusal {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return source.denialOf(step)
}

func (source *feedSource) listen(step *VerifiedStep, listener func(*Refusal)) (stop func()) {
	refusal := func() *Refusal { return source.denialOf(step) }
	return source.denials.addUnless(&source.mutex, refusal, step.denyKeys, listener)
}

func (source *feedSource) status(bound time.Duration) Status {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	now := instantAt(source.clock)
	status := Status{
		Connected: source.isConnected,
		Refusal:   unfitness(source.state.confirmed, now, bound),
		Denied:    len(source.state.denied),
		LastError: source.lastError,
	}
	if confirmed := source.state.confirmed; confirmed != nil {
		staleness, offset := confirmed.staleness(now), confirmed.clockOffset(now)
		status.Staleness, status.ClockOffset = &staleness, &offset
	}
	return status
}

func (source *feedSource) lastingFault() error {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return lastingFault(source.socket, source.failure)
}

func (source *feedSource) awaited() string {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	return awaited(source.socket, source.failure, source.isConnected)
}

// denialOf is called with the mutex held.
func (source *feedSource) denialOf(step *VerifiedStep) *Refusal {
	if denied := source.state.denied.find(step.denyKeys); denied != nil {
		return denied.refusal()
	}
	return nil
}

func (source *feedSource) restart() []byte {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	source.state.restart()
	return source.state.cursor
}

func (source *feedSource) pinged(nonce []byte, now instant) *instant {
	source.mutex.Lock()
	defer source.mutex.Unlock()
	var waitingSince *instant
	if len(source.state.pings) > 0 {
		sent := source.state.pings[0].sent
		waitingSince = &sent
	}
	source.state.pinged(nonce, now)
	return waitingSince
}

func (source *feedSource) apply(response *stintv1.WatchResponse) (applied, *Error) {
	source.mutex.Lock()
	led, err := source.state.apply(response, instantAt(source.clock))
	if err == nil {
		source.isConnected, source.failure = true, nil
	}
	told := make(map[denyKey]*Refusal, len(led.denied))
	for _, key := range led.denied {
		if denied := source.state.denied.find([]denyKey{key}); denied != nil {
			told[key] = denied.refusal()
		}
	}
	source.mutex.Unlock()
	source.onChange()
	for key, refused := range told {
		source.denials.told(key, refused)
	}
	return led, err
}

func (source *feedSource) failed(failure *callFailure, isCursorUnknown bool) {
	source.mutex.Lock()
	if isCursorUnknown {
		source.state.cursor = nil
	}
	source.isConnected, source.failure, source.lastError = false, failure, failure.text
	source.mutex.Unlock()
	source.onChange()
}
