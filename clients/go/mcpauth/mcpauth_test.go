package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"stint.example/stint"
	"stint.example/stint/internal/brokertest"
)

// A server of the SDK with a verifier at a scripted broker, by what guard.json says of them, and the SDK's own client.

type scene struct {
	verifier *stint.Verifier
	watch    *brokertest.Watch
	clock    *brokertest.ManualClock
	messages map[string]json.RawMessage
	resource string
	// By the name of the case that it is of.
	tokens map[string]string
}

func scripted(t *testing.T) *scene {
	t.Helper()
	folder := os.Getenv("STINT_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "test", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(folder, "guard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		NowMs    int64                      `json:"now_ms"`
		Resource string                     `json:"resource"`
		Messages map[string]json.RawMessage `json:"messages"`
		Cases    []struct {
			Name    string `json:"name"`
			Request struct {
				Headers [][2]string `json:"headers"`
			} `json:"request"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	broker, clock := brokertest.NewBroker(t), brokertest.NewManualClock(time.UnixMilli(vectors.NowMs))
	verifier, err := stint.NewVerifier(stint.Options{Audiences: []string{vectors.Resource}, Endpoint: broker.Endpoint, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	watch := broker.NextWatch(t)
	watch.SendJSON(t, vectors.Messages["bundle"])
	watch.SendJSON(t, vectors.Messages["snapshot"])
	watch.NextAcknowledge(t)
	watch.Pong(watch.NextPing(t), "c2", clock.Wall())
	watch.NextAcknowledge(t)
	made := &scene{
		verifier: verifier, watch: watch, clock: clock, messages: vectors.Messages, resource: vectors.Resource,
		tokens: map[string]string{},
	}
	for _, one := range vectors.Cases {
		for _, header := range one.Request.Headers {
			if header[0] == "authorization" {
				made.tokens[one.Name] = header[1]
			}
		}
	}
	return made
}

func (scene *scene) denyStep(t *testing.T) {
	t.Helper()
	scene.watch.SendJSON(t, scene.messages["denied"])
	scene.watch.NextAcknowledge(t)
}

func (scene *scene) settings() Settings {
	use := func(name string, action stint.Action) stint.ToolUse {
		return stint.ToolUse{Tool: name, Actions: []stint.Action{action}, Datatypes: []string{"internal"}}
	}
	return Settings{
		Verifier: scene.verifier, Resource: scene.resource,
		Tools: []stint.ToolUse{use("search", stint.Read), use("write", stint.Write), use("erase", stint.Write)},
	}
}

type nothing struct{}

// served is a server with the tools search, write, erase and unheard, all of which do the same.
func (scene *scene) served(t *testing.T, tool mcp.ToolHandlerFor[nothing, any]) string {
	t.Helper()
	tokens, err := TokenVerifier(scene.verifier, scene.resource)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := NewMiddleware(scene.settings())
	if err != nil {
		t.Fatal(err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "library", Version: "1.0.0"}, nil)
	for _, name := range []string{"search", "write", "erase", "unheard"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, tool)
	}
	server.AddResource(&mcp.Resource{Name: "secret", URI: "file:///secret"},
		func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			t.Error("a resource is read")
			return nil, errors.New("no")
		})
	server.AddReceivingMiddleware(grants)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	listening := httptest.NewServer(auth.RequireBearerToken(tokens, nil)(handler))
	t.Cleanup(listening.Close)
	return listening.URL
}

type withToken struct{ authorization string }

func (with withToken) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", with.authorization)
	return http.DefaultTransport.RoundTrip(request)
}

func clientOf(t *testing.T, url, authorization string) *mcp.ClientSession {
	t.Helper()
	transport := &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: withToken{authorization}}, DisableStandaloneSSE: true, MaxRetries: -1,
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "researcher", Version: "1.0.0"}, nil)
	session, err := client.Connect(context.Background(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func saying(_ context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "for " + StepOf(request).Step.RunID}}}, nil, nil
}

func call(session *mcp.ClientSession, tool string) (string, error) {
	result, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

// told is the code of an error of JSON-RPC, and what its data says.
func told(t *testing.T, err error) (int64, map[string]any) {
	t.Helper()
	var failed *jsonrpc.Error
	if !errors.As(err, &failed) {
		t.Fatalf("no error of JSON-RPC: %v", err)
	}
	var data map[string]any
	if err := json.Unmarshal(failed.Data, &data); err != nil {
		t.Fatal(err)
	}
	return failed.Code, data
}

func TestAStepCallsTheToolsThatItWasGrantedAndIsListedNoOthers(t *testing.T) {
	scene := scripted(t)
	session := clientOf(t, scene.served(t, saying), scene.tokens["a call of a granted tool"])
	listed, err := session.ListTools(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range listed.Tools {
		names = append(names, tool.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"search", "write"}) || listed.CacheScope != "private" {
		t.Errorf("listed %v, for %s", names, listed.CacheScope)
	}
	if said, err := call(session, "search"); err != nil || said != "for r1" {
		t.Errorf("said %s, %v", said, err)
	}
	for tool, want := range map[string]struct {
		code   int64
		reason string
	}{"erase": {-32_010, "GRANT_EXCEEDED"}, "unheard": {-32_602, "TOOL_UNDECLARED"}, "nowhere": {-32_602, "TOOL_UNDECLARED"}} {
		_, err := call(session, tool)
		code, data := told(t, err)
		if code != want.code || data["reason"] != want.reason {
			t.Errorf("%s: %d %v", tool, code, data)
		}
		if _, isTold := data["refused"]; isTold != (want.reason == "GRANT_EXCEEDED") {
			t.Errorf("%s: %v", tool, data)
		}
	}
}

func TestAMethodThatIsNotPermittedIsAsIfItWereNotThere(t *testing.T) {
	scene := scripted(t)
	session := clientOf(t, scene.served(t, saying), scene.tokens["a call of a granted tool"])
	_, err := session.ReadResource(context.Background(), &mcp.ReadResourceParams{URI: "file:///secret"})
	var failed *jsonrpc.Error
	// Of an error with this code the SDK keeps nothing else.
	if !errors.As(err, &failed) || failed.Code != -32_601 {
		t.Errorf("told %v", err)
	}
}

func TestACallIsStoppedWhenItsStepEndsAndItsCallerIsToldWhateverTheToolDoes(t *testing.T) {
	scene := scripted(t)
	entered, stopped, release := make(chan bool, 1), make(chan *stint.Refusal, 1), make(chan bool)
	defer close(release)
	url := scene.served(t, func(ctx context.Context, request *mcp.CallToolRequest, given nothing) (*mcp.CallToolResult, any, error) {
		entered <- true
		<-ctx.Done()
		stopped <- stint.EndOf(ctx)
		<-release
		return saying(ctx, request, given)
	})
	session := clientOf(t, url, scene.tokens["a call of a granted tool"])
	go func() {
		<-entered
		scene.denyStep(t)
	}()
	_, err := call(session, "search")
	if code, data := told(t, err); code != -32_010 || data["reason"] != "STEP_CLOSED" || data["state"] != "COMPLETED" {
		t.Errorf("told %d %v", code, data)
	}
	if ended := <-stopped; ended == nil || ended.Code != stint.Revoked {
		t.Errorf("stopped by %v", ended)
	}
}

func TestWhoBringsNoTokenThatHoldsGetsNowhere(t *testing.T) {
	scene := scripted(t)
	url := scene.served(t, saying)
	ask := func(authorization string) (int, string) {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for name, reason := range map[string]string{
		"another audience": "AUDIENCE_MISMATCH", "an expired token": "EXPIRED", "a bound token": "PROOF_REQUIRED",
		"another's key": "SIGNATURE_INVALID", "no JWT": "TOKEN_MALFORMED", "a token of no step": "CLAIMS_INVALID",
	} {
		if status, body := ask(scene.tokens[name]); status != http.StatusUnauthorized || !strings.HasPrefix(body, reason) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	scene.clock.Advance(61 * time.Second)
	if status, body := ask(scene.tokens["a call of a granted tool"]); status != http.StatusInternalServerError || !strings.HasPrefix(body, "STALE") {
		t.Errorf("without the feed: %d %s", status, body)
	}
}

func TestASessionIsForTheStepThatOpenedIt(t *testing.T) {
	scene := scripted(t)
	url := scene.served(t, saying)
	session := clientOf(t, url, scene.tokens["a call of a granted tool"])
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url,
		strings.NewReader(`{"jsonrpc":"2.0","id":9,"method":"ping"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", scene.tokens["a step of another run"])
	request.Header.Set("Mcp-Session-Id", session.ID())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("another step is answered %d", response.StatusCode)
	}
}

func TestWithoutAStepNothingIsServed(t *testing.T) {
	scene := scripted(t)
	grants, err := NewMiddleware(scene.settings())
	if err != nil {
		t.Fatal(err)
	}
	next := func(context.Context, string, mcp.Request) (mcp.Result, error) {
		t.Error("it is served")
		return nil, nil
	}
	_, err = grants(next)(context.Background(), "tools/list", &mcp.ListToolsRequest{})
	if code, data := told(t, err); code != -32_010 || data["reason"] != "TOKEN_MISSING" {
		t.Errorf("told %d %v", code, data)
	}
}

func TestAMistakeInTheSettingsStopsTheServerAndNotItsCallers(t *testing.T) {
	scene := scripted(t)
	for field, change := range map[string]func(*Settings){
		"verifier":      func(settings *Settings) { settings.Verifier = nil },
		"resource":      func(settings *Settings) { settings.Resource = "mcp" },
		"audience":      func(settings *Settings) { settings.Resource = "https://other.example.org" },
		"tools":         func(settings *Settings) { settings.Tools[0].Tool = "*" },
		"asked_tools":   func(settings *Settings) { settings.AskedTools = []string{"serach"} },
		"other_methods": func(settings *Settings) { settings.OtherMethods = []string{"*"} },
	} {
		settings := scene.settings()
		change(&settings)
		_, err := NewMiddleware(settings)
		var failed *stint.Error
		if !errors.As(err, &failed) || failed.Metadata["field"] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := TokenVerifier(scene.verifier, "https://other.example.org"); err == nil {
		t.Error("a resource that is none of the verifier's audiences is taken")
	}
}
