// A verifier at a real broker; with a second argument, settings in JSON, it hears by something else than the feed. It is told what to do on standard input, one JSON object a line, and answers in kind; that a step has ended
// it says as a line with an "event".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"stint.example/stint"
)

type order struct {
	ID      int            `json:"id"`
	Command string         `json:"command"`
	Token   string         `json:"token"`
	Tool    string         `json:"tool"`
	Actions []stint.Action `json:"actions"`
	Ms      int            `json:"ms"`
}

// movedClock is the machine's, and how much later it is said to be.
type movedClock struct {
	mutex   sync.Mutex
	started time.Time
	ahead   time.Duration
}

func (clock *movedClock) by() time.Duration {
	clock.mutex.Lock()
	defer clock.mutex.Unlock()
	return clock.ahead
}

func (clock *movedClock) Wall() time.Time          { return time.Now().Round(0).Add(clock.by()) }
func (clock *movedClock) Monotonic() time.Duration { return time.Since(clock.started) + clock.by() }

func (clock *movedClock) SleepUntil(ctx context.Context, monotonic time.Duration) {
	select {
	case <-time.After(monotonic - clock.Monotonic()):
	case <-ctx.Done():
	}
}

type told struct {
	clock    *movedClock
	verifier *stint.Verifier
	verified *stint.VerifiedStep
}

var output sync.Mutex

func say(line map[string]any) {
	output.Lock()
	defer output.Unlock()
	data, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(data))
}

func shown(err error) map[string]any {
	var refused *stint.Refusal
	if errors.As(err, &refused) {
		return map[string]any{"refused": refused.Code, "metadata": refused.Metadata}
	}
	var failed *stint.Error
	if errors.As(err, &failed) {
		return map[string]any{"error": failed.Code}
	}
	panic(err)
}

func (told *told) obey(order order) any {
	use := stint.ToolUse{Tool: order.Tool, Actions: order.Actions, Datatypes: []string{"internal"}}
	switch order.Command {
	case "ready":
		if err := told.verifier.Ready(context.Background()); err != nil {
			return shown(err)
		}
		return "ready"
	case "verify":
		step, err := told.verifier.Verify(order.Token, stint.Presented{})
		if err != nil {
			return shown(err)
		}
		told.verified = step
		return map[string]any{"spiffe_id": step.SPIFFEID, "grant": step.Grant}
	case "authorize":
		if err := told.verifier.Authorize(told.verified, use); err != nil {
			return shown(err)
		}
		return "permitted"
	case "call":
		_, cancel, err := told.verifier.WhileOpen(context.Background(), told.verified, &stint.Call{ToolUse: use})
		if err != nil {
			return shown(err)
		}
		cancel()
		return "called"
	case "watch":
		open, cancel, err := told.verifier.WhileOpen(context.Background(), told.verified, nil)
		if err != nil {
			return shown(err)
		}
		go func() {
			defer cancel()
			<-open.Done()
			line := shown(context.Cause(open))
			line["event"] = "ended"
			say(line)
		}()
		return "watching"
	case "status":
		now := told.verifier.Status()
		status := map[string]any{"connected": now.Connected, "refusal": nil, "staleness_seconds": nil, "last_error": nil}
		if now.Refusal != "" {
			status["refusal"] = now.Refusal
		}
		if now.Staleness != nil {
			status["staleness_seconds"] = now.Staleness.Seconds()
		}
		if now.LastError != "" {
			status["last_error"] = now.LastError
		}
		return status
	case "later":
		told.clock.mutex.Lock()
		defer told.clock.mutex.Unlock()
		told.clock.ahead += time.Duration(order.Ms) * time.Millisecond
		return "later"
	default:
		panic("no such command: " + order.Command)
	}
}

func main() {
	clock := &movedClock{started: time.Now()}
	// The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
	options := stint.Options{Audiences: os.Args[1:2], Development: true, Clock: clock}
	if len(os.Args) > 2 {
		options.Revocation = revocationOf(os.Args[2])
	}
	verifier, err := stint.NewVerifier(options)
	if err != nil {
		panic(err)
	}
	told := &told{clock: clock, verifier: verifier}
	say(map[string]any{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var given order
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			panic(err)
		}
		say(map[string]any{"id": given.ID, "result": told.obey(given)})
	}
	if err := verifier.Close(); err != nil {
		panic(err)
	}
}
