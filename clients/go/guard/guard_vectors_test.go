package guard

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stint.example/stint"
	"stint.example/stint/internal/brokertest"
)

type guardCase struct {
	Name    string `json:"name"`
	Feed    string `json:"feed"`
	Request struct {
		Method  string      `json:"method"`
		Path    string      `json:"path"`
		Headers [][2]string `json:"headers"`
		Body    *string     `json:"body"`
	} `json:"request"`
	Proof  string `json:"proof"`
	Again  bool   `json:"again"`
	Served *struct {
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"served"`
	Expected any `json:"expected"`
}

type guardVectors struct {
	NowMs        int64                      `json:"now_ms"`
	Resource     string                     `json:"resource"`
	Issuer       string                     `json:"issuer"`
	Tools        json.RawMessage            `json:"tools"`
	MaxBodyBytes int64                      `json:"max_body_bytes"`
	Messages     map[string]json.RawMessage `json:"messages"`
	Cases        []guardCase                `json:"cases"`
}

var shownHeaders = []string{"www-authenticate", "content-type", "cache-control", "retry-after", "allow"}

// vectors of guard.json. STINT_VECTORS is their folder where the module is not in its repository.
func vectors(t testing.TB) guardVectors {
	t.Helper()
	folder := os.Getenv("STINT_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "test", "vectors")
	}
	data, err := os.ReadFile(filepath.Join(folder, "guard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read guardVectors
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// tools are in the order of the file, which is the order of the metadata.
func (vectors guardVectors) tools(t testing.TB) []stint.ToolUse {
	t.Helper()
	needs := map[string]struct {
		Actions   []stint.Action `json:"actions"`
		Datatypes []string       `json:"datatypes"`
	}{}
	if err := json.Unmarshal(vectors.Tools, &needs); err != nil {
		t.Fatal(err)
	}
	text := string(vectors.Tools)
	names := slices.SortedFunc(maps.Keys(needs), func(one, other string) int {
		return strings.Index(text, `"`+one+`":`) - strings.Index(text, `"`+other+`":`)
	})
	tools := make([]stint.ToolUse, len(names))
	for index, name := range names {
		tools[index] = stint.ToolUse{Tool: name, Actions: needs[name].Actions, Datatypes: needs[name].Datatypes}
	}
	return tools
}

// What an HTTP client of a guarded server is told, whatever the guard's language: status, headers and body.
func TestGuardVectors(t *testing.T) {
	all := vectors(t)
	served := func(one guardCase) http.Handler {
		if one.Served == nil {
			return answering("application/json", `{"jsonrpc":"2.0","id":7,"result":{"served":true}}`)
		}
		return http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
			for name, value := range one.Served.Headers {
				response.Header().Set(name, value)
			}
			_, _ = response.Write([]byte(one.Served.Body))
		})
	}
	for _, one := range all.Cases {
		t.Run(one.Name, func(t *testing.T) {
			scene := guarded(t, one.Feed, func(settings *Settings) { settings.DPoP = one.Proof == "dpop" })
			body := ""
			if one.Request.Body != nil {
				body = *one.Request.Body
			}
			if one.Again {
				scene.ask(t, served(one), one.Request.Method, one.Request.Path, one.Request.Headers, body)
			}
			answer := scene.ask(t, served(one), one.Request.Method, one.Request.Path, one.Request.Headers, body)
			headers := map[string]any{}
			for _, name := range shownHeaders {
				if value := answer.Header().Get(name); value != "" {
					headers[name] = value
				}
			}
			var said any
			if isEventStream(answer.Header()) {
				said = dataOf(t, answer.Body.String())
			} else if answer.Body.Len() > 0 {
				if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]any{"status": float64(answer.Code), "headers": headers, "body": said}
			if !reflect.DeepEqual(any(got), one.Expected) {
				t.Errorf("got %v\nwant %v", got, one.Expected)
			}
		})
	}
}

// dataOf is the data of each event that has any; a guard writes lines that end with a line feed.
func dataOf(t *testing.T, text string) []any {
	t.Helper()
	all := []any{}
	for _, event := range strings.Split(text, "\n\n") {
		var lines []string
		for _, line := range strings.Split(event, "\n") {
			if data, isData := strings.CutPrefix(line, "data:"); isData {
				lines = append(lines, strings.TrimSpace(data))
			}
		}
		data := strings.Join(lines, "\n")
		if data == "" {
			continue
		}
		var one any
		if err := json.Unmarshal([]byte(data), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// scene is a guard with a verifier at a scripted broker, by what guard.json says of them.
type scene struct {
	guard    *Guard
	verifier *stint.Verifier
	watch    *brokertest.Watch
	clock    *brokertest.ManualClock
	broker   *brokertest.Broker
	vectors  guardVectors
}

func guarded(t testing.TB, feed string, change func(*Settings)) *scene {
	t.Helper()
	all := vectors(t)
	broker, clock := brokertest.NewBroker(t), brokertest.NewManualClock(time.UnixMilli(all.NowMs))
	verifier, err := stint.NewVerifier(stint.Options{Audiences: []string{all.Resource}, Endpoint: broker.Endpoint, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	watch := broker.NextWatch(t)
	watch.SendJSON(t, all.Messages["bundle"])
	watch.SendJSON(t, all.Messages["snapshot"])
	watch.NextAcknowledge(t)
	if feed != "not ready" {
		watch.Pong(watch.NextPing(t), "c2", clock.Wall())
		watch.NextAcknowledge(t)
	}
	settings := Settings{
		Verifier: verifier, Resource: all.Resource, Issuer: all.Issuer, Tools: all.tools(t), MaxBodyBytes: all.MaxBodyBytes,
	}
	if change != nil {
		change(&settings)
	}
	guard, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	made := &scene{guard: guard, verifier: verifier, watch: watch, clock: clock, broker: broker, vectors: all}
	switch feed {
	case "step denied":
		made.denyStep(t)
	case "16 s old":
		clock.Advance(16 * time.Second)
	case "61 s old":
		clock.Advance(61 * time.Second)
	}
	return made
}

func (scene *scene) denyStep(t testing.TB) {
	t.Helper()
	scene.watch.SendJSON(t, scene.vectors.Messages["denied"])
	scene.watch.NextAcknowledge(t)
}

func (scene *scene) ask(
	t testing.TB, next http.Handler, method, path string, headers [][2]string, body string,
) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, header := range headers {
		request.Header.Add(header[0], header[1])
	}
	answer := httptest.NewRecorder()
	scene.guard.Handler(next).ServeHTTP(answer, request)
	return answer
}
