package stint

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"stint.example/stint/internal/brokertest"
)

type listAct struct {
	Do          string            `json:"do"`
	Path        string            `json:"path"`
	Document    string            `json:"document"`
	FillerBytes int               `json:"filler_bytes"`
	Status      int               `json:"status"`
	Headers     map[string]string `json:"headers"`
	Ms          float64           `json:"ms"`
	AheadMs     float64           `json:"ahead_ms"`
	Token       string            `json:"token"`
	Actions     []Action          `json:"actions"`
	Times       int               `json:"times"`
	Is          json.RawMessage   `json:"is"`
}

type listVectors struct {
	NowMs       int64             `json:"now_ms"`
	Audience    string            `json:"audience"`
	Issuer      string            `json:"issuer"`
	TrustDomain string            `json:"trust_domain"`
	ListPath    string            `json:"list_path"`
	Served      map[string]string `json:"served"`
	Tokens      map[string]string `json:"tokens"`
	Documents   map[string]string `json:"documents"`
	Scenes      []struct {
		Name    string `json:"name"`
		Options struct {
			Development         bool               `json:"development"`
			TrustDomain         string             `json:"trust_domain"`
			MaxStalenessSeconds map[Action]float64 `json:"max_staleness_seconds"`
		} `json:"options"`
		Script []listAct `json:"script"`
	} `json:"scenes"`
}

type listScene struct {
	vectors  *listVectors
	issuer   *brokertest.Issuer
	clock    *brokertest.ManualClock
	verifier *Verifier
	options  Options
	verified map[string]*VerifiedStep
	ends     map[string]chan *Refusal
}

// The scenes that every verifier plays, whatever its language: documents of a broker that the script has, and a clock that it moves.
func TestStatusListVectors(t *testing.T) {
	var vectors listVectors
	vectorsOf(t, "status-list.json", &vectors)
	for _, one := range vectors.Scenes {
		t.Run(one.Name, func(t *testing.T) {
			issuer, clock := brokertest.NewIssuer(t, false), brokertest.NewManualClock(time.UnixMilli(vectors.NowMs))
			for path, document := range vectors.Served {
				issuer.ServeText(path, document)
			}
			trustDomain := vectors.TrustDomain
			if one.Options.TrustDomain != "" {
				trustDomain = one.Options.TrustDomain
			}
			bounds := StalenessBounds{}
			for action, seconds := range one.Options.MaxStalenessSeconds {
				bounds[action] = milliseconds(seconds * 1_000)
			}
			scene := &listScene{
				vectors: &vectors, issuer: issuer, clock: clock, verified: map[string]*VerifiedStep{}, ends: map[string]chan *Refusal{},
				options: Options{
					Audiences: []string{vectors.Audience}, Clock: clock, MaxStaleness: bounds, Development: one.Options.Development,
					Revocation: StatusListRevocation{Issuer: vectors.Issuer, TrustDomain: trustDomain, URL: issuer.URL},
				},
			}
			defer func() { _ = scene.heard(t).Close() }()
			for _, act := range one.Script {
				scene.act(t, act)
			}
		})
	}
}

// heard is the verifier: made when the first act wants it, so that what is served by then is what it finds.
func (scene *listScene) heard(t *testing.T) *Verifier {
	t.Helper()
	if scene.verifier == nil {
		verifier, err := NewVerifier(scene.options)
		if err != nil {
			t.Fatal(err)
		}
		scene.verifier = verifier
	}
	return scene.verifier
}

func (scene *listScene) act(t *testing.T, act listAct) {
	t.Helper()
	path := act.Path
	if path == "" {
		path = scene.vectors.ListPath
	}
	switch act.Do {
	case "serve":
		scene.serve(path, act)
	case "stop":
		scene.issuer.Stop()
	case "ready":
		if err := scene.heard(t).Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
	case "advance":
		scene.clock.Advance(milliseconds(act.Ms))
	case "suspend":
		scene.clock.SetWallAhead(milliseconds(act.Ms))
	case "set_wall":
		scene.clock.SetWallAhead(milliseconds(act.AheadMs))
	case "listen":
		end := make(chan *Refusal, 9)
		scene.ends[act.Token] = end
		scene.heard(t).OnClosed(scene.verified[act.Token], func(refused *Refusal) { end <- refused })
	case "told":
		expectOutcome(t, act, come(t, scene.ends[act.Token]))
	case "status":
		scene.checkStatus(t, act)
	case "asked":
		if times := scene.issuer.Asked(path); times != act.Times {
			t.Fatalf("%s was asked for %d times, not %d", path, times, act.Times)
		}
	default:
		expectOutcome(t, act, scene.decide(t, act))
	}
}

func (scene *listScene) serve(path string, act listAct) {
	document := scene.vectors.Documents[act.Document]
	if act.Document == "" {
		document = strings.Repeat("x", act.FillerBytes)
	}
	scene.issuer.Serve(path, func(writer http.ResponseWriter, _ *http.Request) {
		for name, value := range act.Headers {
			writer.Header().Set(name, value)
		}
		writer.WriteHeader(max(act.Status, http.StatusOK))
		_, _ = writer.Write([]byte(document))
	})
}

func (scene *listScene) decide(t *testing.T, act listAct) error {
	t.Helper()
	verifier := scene.heard(t)
	switch act.Do {
	case "verify":
		step, err := verifier.Verify(scene.vectors.Tokens[act.Token], Presented{Actions: act.Actions})
		if err == nil {
			scene.verified[act.Token] = step
		}
		return err
	case "recheck":
		return verifier.Recheck(scene.verified[act.Token])
	case "authorize":
		use := ToolUse{Tool: "search", Actions: act.Actions, Datatypes: []string{"internal"}}
		return verifier.Authorize(scene.verified[act.Token], use)
	default:
		t.Fatalf("no such act: %s", act.Do)
		return nil
	}
}

func (scene *listScene) checkStatus(t *testing.T, act listAct) {
	t.Helper()
	var expected map[string]any
	if err := json.Unmarshal(act.Is, &expected); err != nil {
		t.Fatal(err)
	}
	now := scene.heard(t).Status()
	status := map[string]any{
		"connected": now.Connected, "refusal": nil, "staleness_seconds": nil, "denied": now.Denied, "bundles": now.Bundles, "last_error": nil,
	}
	if now.Refusal != "" {
		status["refusal"] = now.Refusal
	}
	if now.LastError != "" {
		status["last_error"] = now.LastError
	}
	if now.Staleness != nil {
		status["staleness_seconds"] = now.Staleness.Seconds()
	}
	shown, _ := throughJSON(t, status).(map[string]any)
	for name, want := range expected {
		if !reflect.DeepEqual(shown[name], want) {
			t.Fatalf("%s is %v, not %v", name, shown[name], want)
		}
	}
}

func expectOutcome(t *testing.T, act listAct, err error) {
	t.Helper()
	var expected any
	if json.Unmarshal(act.Is, &expected) != nil {
		t.Fatalf("no outcome of %s", act.Do)
	}
	if got := throughJSON(t, outcomeOf(t, err)); !reflect.DeepEqual(got, expected) {
		t.Fatalf("%s of %s: got %v, want %v", act.Do, act.Token, got, expected)
	}
}
