package stint

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"stint.example/stint/internal/stintv1"
)

const (
	watchMethod = "/stint.v1.Revocations/Watch"
	// How often the feed's freshness is renewed.
	pingInterval = time.Second
	// A broker that leaves a ping unanswered for this long hangs; a new connection may find one that does not.
	pongTimeout  = 10 * time.Second
	nonceBytes   = 16
	doublingsMax = 10
)

// feedClient keeps a watch of the broker's feed open: it connects, resumes, pings, acknowledges; and decides nothing, which is the
// state's. It goes on until its context is done: a verifier without its feed refuses by itself, and should come back by itself.
type feedClient struct {
	channel   *grpc.ClientConn
	audiences []string
	// The loosest bound in use: what the broker reckons with when it waits for receipts.
	maxStaleness time.Duration
	clock        Clock
	knowledge    feedKnowledge
	failures     int
}

// feedKnowledge is whom a feed is followed for; each method guards what it touches.
type feedKnowledge interface {
	// restart begins a new stream, and gives where it resumes.
	restart() (cursor []byte)
	// pinged is told of a ping under way, and says since when one has waited for its answer; nil: none has.
	pinged(nonce []byte, now instant) (waitingSince *instant)
	// apply takes a message in, and tells whoever listens before it returns.
	apply(response *stintv1.WatchResponse) (applied, *Error)
	// failed is called when a stream has ended, before the next begins.
	failed(failure *callFailure, isCursorUnknown bool)
}

func (feed *feedClient) follow(ctx context.Context) {
	for ctx.Err() == nil {
		failure := feed.watchOnce(ctx)
		endedAt := feed.clock.Monotonic()
		if ctx.Err() != nil {
			return
		}
		// A broker whose keys are new does not know its predecessor's cursors, and would refuse this one for ever.
		isCursorUnknown := failure.reason == "INVALID_FIELD" && strings.HasSuffix(failure.metadata["field"], "cursor")
		feed.knowledge.failed(failure, isCursorUnknown)
		feed.clock.SleepUntil(ctx, endedAt+feed.pause())
	}
}

// pause is small beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once.
func (feed *feedClient) pause() time.Duration {
	doubled := reconnectMin << min(feed.failures, doublingsMax)
	feed.failures++
	return time.Duration(float64(min(reconnectMax, doubled)) * (0.5 + mathrand.Float64()/2))
}

// watch is one call of Watch, on which one message is sent at a time, as gRPC wants it.
type watch struct {
	stream grpc.ClientStream
	turn   sync.Mutex
}

// send: what can't be sent any more is not, since the end of the call is told to whoever reads it.
func (watch *watch) send(request *stintv1.WatchRequest) {
	watch.turn.Lock()
	defer watch.turn.Unlock()
	_ = watch.stream.SendMsg(request)
}

func (feed *feedClient) watchOnce(ctx context.Context) *callFailure {
	ctx, cancel := context.WithCancel(withSecurityHeader(ctx))
	defer cancel()
	cursor := feed.knowledge.restart()
	description := &grpc.StreamDesc{StreamName: "Watch", ServerStreams: true, ClientStreams: true}
	stream, err := feed.channel.NewStream(ctx, description, watchMethod)
	if err != nil {
		return callFailureOf(err)
	}
	watching := &watch{stream: stream}
	silent := make(chan *callFailure, 1)
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer cancel()
	pinging.Go(func() {
		if failure := feed.greetAndPing(ctx, watching, cursor); failure != nil {
			silent <- failure
			cancel()
		}
	})
	failure := feed.read(watching)
	select {
	case silence := <-silent:
		return silence
	default:
		return failure
	}
}

func (feed *feedClient) read(watching *watch) *callFailure {
	for {
		response := new(stintv1.WatchResponse)
		if err := watching.stream.RecvMsg(response); err != nil {
			if errors.Is(err, io.EOF) {
				return ownFailure("NOT_SERVING", "the broker ended the feed")
			}
			return callFailureOf(err)
		}
		led, err := feed.knowledge.apply(response)
		if err != nil {
			return ownFailure(err.Code, err.Message)
		}
		if led.confirmed {
			feed.failures = 0
		}
		if led.acknowledge != nil {
			acknowledge := &stintv1.WatchRequest_Acknowledge{Cursor: led.acknowledge}
			watching.send(&stintv1.WatchRequest{Message: &stintv1.WatchRequest_Acknowledge_{Acknowledge: acknowledge}})
		}
	}
}

// greetAndPing ends with the context, or with the failure of a broker that does not answer.
func (feed *feedClient) greetAndPing(ctx context.Context, watching *watch, cursor []byte) *callFailure {
	hello := &stintv1.WatchRequest_Hello{
		Cursor:    cursor,
		Audiences: feed.audiences,
		// In whole seconds, rounded up.
		MaxStaleness: durationpb.New(time.Duration(math.Ceil(feed.maxStaleness.Seconds())) * time.Second),
	}
	watching.send(&stintv1.WatchRequest{Message: &stintv1.WatchRequest_Hello_{Hello: hello}})
	for ctx.Err() == nil {
		now := instantAt(feed.clock)
		nonce := make([]byte, nonceBytes)
		_, _ = rand.Read(nonce)
		since := feed.knowledge.pinged(nonce, now)
		if since != nil && now.monotonic-since.monotonic > pongTimeout {
			return ownFailure("NOT_SERVING", "the broker left pings unanswered")
		}
		ping := &stintv1.WatchRequest_Ping{Nonce: nonce}
		watching.send(&stintv1.WatchRequest{Message: &stintv1.WatchRequest_Ping_{Ping: ping}})
		feed.clock.SleepUntil(ctx, now.monotonic+pingInterval)
	}
	return nil
}
