// Command conformance is a workload that uses go-spiffe as its users do. It is told what to do on standard input, one JSON
// object a line, and answers in kind; what it is told of by the broker meanwhile it says as lines with an "event".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

// An order is a line of standard input.
type order struct {
	ID       int      `json:"id"`
	Command  string   `json:"command"`
	Audience []string `json:"audience"`
	SpiffeID string   `json:"spiffe_id"`
	Token    string   `json:"token"`
	Address  string   `json:"address"`
	Hint     string   `json:"hint"`
	Tickets  bool     `json:"tickets"`
}

type workload struct {
	client *workloadapi.Client
	option workloadapi.SourceOption
	say    func(line map[string]any)
	kept   *workloadapi.X509Source
}

func main() {
	ctx := context.Background()
	var mutex sync.Mutex
	encoder := json.NewEncoder(os.Stdout)
	say := func(line map[string]any) {
		mutex.Lock()
		defer mutex.Unlock()
		if err := encoder.Encode(line); err != nil {
			os.Exit(1)
		}
	}
	// The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
	client, err := newClient(ctx)
	if err != nil {
		panic(err)
	}
	w := &workload{client: client, option: workloadapi.WithClient(client), say: say}
	say(map[string]any{"event": "ready"})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			panic(err)
		}
		go func() {
			result, err := w.follow(ctx, o)
			if err != nil {
				say(map[string]any{"id": o.ID, "error": err.Error(), "code": codeOf(err)})
				return
			}
			say(map[string]any{"id": o.ID, "result": result})
		}()
	}
}

func (w *workload) follow(ctx context.Context, o order) (any, error) {
	switch o.Command {
	case "x509":
		return w.fetchX509(ctx)
	case "jwt":
		return w.fetchJWT(ctx, o)
	case "validate":
		return w.validate(ctx, o)
	case "wit":
		return w.fetchWIT(ctx, o)
	case "watch":
		go w.watchX509(ctx)
		return "watching", nil
	case "jwt-source":
		return w.fromJWTSource(ctx, o)
	case "keep":
		return w.keep(ctx, o)
	case "kept":
		return w.own()
	case "serve":
		return w.serve(ctx, o)
	case "resume":
		return w.resume(ctx, o)
	case "dial":
		return w.dial(ctx, o)
	case "bundle":
		return w.fetchBundle(ctx, o)
	case "trust-domains":
		return w.trustDomains(ctx)
	default:
		return nil, errors.New("no such command: " + o.Command)
	}
}

func codeOf(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if s, ok := status.FromError(err); ok {
			return s.Code().String()
		}
	}
	return ""
}
