package stint

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"stint.example/stint/internal/brokertest"
)

// No verifier waits for longer before it connects anew.
const reconnectWait = 2 * time.Second

type feedAct struct {
	Do      string          `json:"do"`
	Message string          `json:"message"`
	Cursor  string          `json:"cursor"`
	AheadMs float64         `json:"ahead_ms"`
	AfterMs float64         `json:"after_ms"`
	Ms      float64         `json:"ms"`
	Token   string          `json:"token"`
	Actions []Action        `json:"actions"`
	Is      json.RawMessage `json:"is"`
	Use     struct {
		Tool             string   `json:"tool"`
		Actions          []Action `json:"actions"`
		Datatypes        []string `json:"datatypes"`
		DefinitionSHA256 string   `json:"definition_sha256"`
	} `json:"use"`
}

type feedVectors struct {
	NowMs    int64                      `json:"now_ms"`
	Audience string                     `json:"audience"`
	Tokens   map[string]string          `json:"tokens"`
	Messages map[string]json.RawMessage `json:"messages"`
	Scenes   []struct {
		Name    string `json:"name"`
		Options struct {
			Development         bool               `json:"development"`
			GrantsFrom          []string           `json:"grants_from"`
			MaxStalenessSeconds map[Action]float64 `json:"max_staleness_seconds"`
		} `json:"options"`
		Script []feedAct `json:"script"`
	} `json:"scenes"`
}

type feedScene struct {
	vectors  *feedVectors
	broker   *brokertest.Broker
	clock    *brokertest.ManualClock
	verifier *Verifier
	watch    *brokertest.Watch
	verified map[string]*VerifiedStep
}

// The scenes that every verifier plays, whatever its language: a broker that says what the script has, and a clock that it moves.
func TestFeedVectors(t *testing.T) {
	var vectors feedVectors
	vectorsOf(t, "feed.json", &vectors)
	for _, one := range vectors.Scenes {
		t.Run(one.Name, func(t *testing.T) {
			broker, clock := brokertest.NewBroker(t), brokertest.NewManualClock(time.UnixMilli(vectors.NowMs))
			bounds := StalenessBounds{}
			for action, seconds := range one.Options.MaxStalenessSeconds {
				bounds[action] = milliseconds(seconds * 1_000)
			}
			verifier, err := NewVerifier(Options{
				Audiences: []string{vectors.Audience}, Endpoint: broker.Endpoint, Clock: clock, MaxStaleness: bounds,
				Development: one.Options.Development, GrantsFrom: one.Options.GrantsFrom,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = verifier.Close() }()
			scene := &feedScene{
				vectors: &vectors, broker: broker, clock: clock, verifier: verifier, watch: broker.NextWatch(t),
				verified: map[string]*VerifiedStep{},
			}
			for _, act := range one.Script {
				scene.act(t, act)
			}
		})
	}
}

func (scene *feedScene) act(t *testing.T, act feedAct) {
	t.Helper()
	switch act.Do {
	case "send":
		scene.watch.SendJSON(t, scene.vectors.Messages[act.Message])
	case "acknowledged":
		if cursor := scene.watch.NextAcknowledge(t); cursor != act.Cursor {
			t.Fatalf("acknowledged %s, not %s", cursor, act.Cursor)
		}
	case "pong":
		nonce := scene.watch.NextPing(t)
		// Half of the way there, half of it back.
		scene.clock.Advance(milliseconds(act.AfterMs / 2))
		brokerTime := scene.clock.Wall().Add(milliseconds(act.AheadMs))
		scene.clock.Advance(milliseconds(act.AfterMs / 2))
		scene.watch.Pong(nonce, act.Cursor, brokerTime)
	case "advance":
		scene.clock.Advance(milliseconds(act.Ms))
	case "suspend":
		scene.clock.SetWallAhead(milliseconds(act.Ms))
	case "set_wall":
		scene.clock.SetWallAhead(milliseconds(act.AheadMs))
	case "reconnected":
		scene.reconnect(t, act.Cursor)
	default:
		var expected any
		if err := json.Unmarshal(act.Is, &expected); err != nil {
			t.Fatal(err)
		}
		if got := throughJSON(t, scene.outcomeOf(t, act)); !reflect.DeepEqual(got, expected) {
			t.Fatalf("%s of %s: got %v, want %v", act.Do, act.Token, got, expected)
		}
	}
}

func (scene *feedScene) reconnect(t *testing.T, cursor string) {
	t.Helper()
	scene.watch.End(nil)
	// From then on it waits for the clock.
	for scene.verifier.Status().Connected {
		time.Sleep(time.Millisecond)
	}
	scene.clock.Advance(reconnectWait)
	scene.watch = scene.broker.NextWatch(t)
	if given := string(scene.watch.Hello.GetCursor()); given != cursor {
		t.Fatalf("resumed at %s, not %s", given, cursor)
	}
}

func (scene *feedScene) outcomeOf(t *testing.T, act feedAct) any {
	t.Helper()
	var err error
	switch act.Do {
	case "verify":
		var step *VerifiedStep
		if step, err = scene.verifier.Verify(scene.vectors.Tokens[act.Token], Presented{Actions: act.Actions}); err == nil {
			scene.verified[act.Token] = step
		}
	case "recheck":
		err = scene.verifier.Recheck(scene.verified[act.Token])
	case "authorize":
		err = scene.verifier.Authorize(scene.verified[act.Token], ToolUse(act.Use))
	default:
		t.Fatalf("no such act: %s", act.Do)
	}
	return outcomeOf(t, err)
}

// outcomeOf gives what becomes of something that a verifier is asked, in the words of the shared files.
func outcomeOf(t *testing.T, err error) any {
	t.Helper()
	var refused *Refusal
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &refused):
		return map[string]any{"refused": refused.Code, "message": refused.Message, "metadata": refused.Metadata}
	default:
		t.Fatal(err)
		return nil
	}
}

func milliseconds(count float64) time.Duration {
	return time.Duration(count * float64(time.Millisecond))
}
