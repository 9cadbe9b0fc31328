// Package brokertest has what tests need of a broker: one that says on the feed just what the test tells it to, and a clock.
package brokertest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"stint.example/stint/internal/stintv1"
)

// Whatever does not come within this time never comes.
const patience = 20 * time.Second

// Broker is a real gRPC server on a unix socket, with nothing behind it.
type Broker struct {
	Endpoint string

	mutex  sync.Mutex
	checks []*stintv1.CheckRequest
	answer *stintv1.CheckResponse

	socket  string
	server  *grpc.Server
	watches chan *Watch
}

// NewBroker serves until the test ends.
func NewBroker(t testing.TB) *Broker {
	t.Helper()
	// The test's own folder may have a path too long for a socket.
	folder, err := os.MkdirTemp("", "stint-")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "workload.sock")
	broker := &Broker{
		Endpoint: "unix://" + socket, socket: socket, watches: make(chan *Watch, 16), answer: new(stintv1.CheckResponse),
	}
	broker.Start(t)
	t.Cleanup(func() {
		broker.Stop()
		_ = os.RemoveAll(folder)
	})
	return broker
}

// Start listens on the socket.
func (broker *Broker) Start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("unix", broker.socket)
	if err != nil {
		t.Fatal(err)
	}
	broker.server = grpc.NewServer()
	broker.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "stint.v1.Revocations",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "Watch", Handler: broker.watch, ServerStreams: true, ClientStreams: true}},
	}, nil)
	broker.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "stint.v1.Authorizations",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: broker.check}},
	}, nil)
	go func() { _ = broker.server.Serve(listener) }()
}

// Stop drops every connection and listens no more.
func (broker *Broker) Stop() { broker.server.Stop() }

// Answers is what every question about a call is answered with.
func (broker *Broker) Answers(answer *stintv1.CheckResponse) {
	broker.mutex.Lock()
	defer broker.mutex.Unlock()
	broker.answer = answer
}

// Checks are the questions that were asked.
func (broker *Broker) Checks() []*stintv1.CheckRequest {
	broker.mutex.Lock()
	defer broker.mutex.Unlock()
	return append([]*stintv1.CheckRequest{}, broker.checks...)
}

// NextWatch waits for a verifier to come.
func (broker *Broker) NextWatch(t testing.TB) *Watch {
	t.Helper()
	return next(t, broker.watches, "watch")
}

func (broker *Broker) check(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := new(stintv1.CheckRequest)
	if err := decode(request); err != nil {
		return nil, err
	}
	broker.mutex.Lock()
	defer broker.mutex.Unlock()
	broker.checks = append(broker.checks, request)
	return broker.answer, nil
}

func (broker *Broker) watch(_ any, stream grpc.ServerStream) error {
	headers, _ := metadata.FromIncomingContext(stream.Context())
	watch := &Watch{
		Metadata: headers, responses: make(chan *stintv1.WatchResponse, 64), ended: make(chan error, 1),
		pings: make(chan []byte, 64), acknowledges: make(chan []byte, 64),
	}
	go func() {
		for {
			request := new(stintv1.WatchRequest)
			if stream.RecvMsg(request) != nil {
				return
			}
			if hello := request.GetHello(); hello != nil {
				watch.Hello = hello
				broker.watches <- watch
			} else if ping := request.GetPing(); ping != nil {
				watch.pings <- ping.GetNonce()
			} else if acknowledge := request.GetAcknowledge(); acknowledge != nil {
				watch.acknowledges <- acknowledge.GetCursor()
			}
		}
	}()
	for {
		select {
		case response := <-watch.responses:
			if err := stream.SendMsg(response); err != nil {
				return err
			}
		case err := <-watch.ended:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Watch is one watch as the broker sees it.
type Watch struct {
	Metadata metadata.MD
	Hello    *stintv1.WatchRequest_Hello

	responses           chan *stintv1.WatchResponse
	ended               chan error
	pings, acknowledges chan []byte
}

// Send says something on the feed.
func (watch *Watch) Send(response *stintv1.WatchResponse) { watch.responses <- response }

// SendJSON says something in the JSON of protobuf.
func (watch *Watch) SendJSON(t testing.TB, data []byte) {
	t.Helper()
	response := new(stintv1.WatchResponse)
	if err := protojson.Unmarshal(data, response); err != nil {
		t.Fatal(err)
	}
	watch.Send(response)
}

// End ends the stream; with nil as if all were well.
func (watch *Watch) End(err error) { watch.ended <- err }

// NextPing waits for a ping's nonce.
func (watch *Watch) NextPing(t testing.TB) []byte {
	t.Helper()
	return next(t, watch.pings, "ping")
}

// NextAcknowledge waits for the cursor of an acknowledgement.
func (watch *Watch) NextAcknowledge(t testing.TB) string {
	t.Helper()
	return string(next(t, watch.acknowledges, "acknowledgement"))
}

// Pong answers a ping.
func (watch *Watch) Pong(nonce []byte, cursor string, brokerTime time.Time) {
	pong := &stintv1.WatchResponse_Pong{Nonce: nonce, Cursor: []byte(cursor), BrokerTime: timestamppb.New(brokerTime)}
	watch.Send(&stintv1.WatchResponse{Message: &stintv1.WatchResponse_Pong_{Pong: pong}})
}

func next[T any](t testing.TB, channel <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-time.After(patience):
		t.Fatalf("no %s came", what)
		panic("unreachable")
	}
}
