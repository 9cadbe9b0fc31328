package guard

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stint.example/stint"
	"stint.example/stint/internal/stintv1"
)

// The guard beside the shared cases: what the handler gets, and what becomes of a call whose step ends.

const patience = 20 * time.Second

type data = map[string]any

func callOf(tool string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// bearer is of the first case, which is permitted.
func (scene *scene) bearer() string { return scene.vectors.Cases[0].Request.Headers[0][1] }

func (scene *scene) headers(more ...[2]string) [][2]string {
	return append([][2]string{{"Authorization", scene.bearer()}, {"Content-Type", "application/json"}}, more...)
}

func (scene *scene) another(t *testing.T, name string) string {
	t.Helper()
	for _, one := range scene.vectors.Cases {
		if one.Name == name {
			return one.Request.Headers[0][1]
		}
	}
	t.Fatalf("no case %s", name)
	return ""
}

func answering(contentType, body string) http.HandlerFunc {
	return func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", contentType)
		_, _ = response.Write([]byte(body))
	}
}

func errorIn(t *testing.T, body []byte) data {
	t.Helper()
	var sent data
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	failed, _ := sent["error"].(data)
	return failed
}

func reasonIn(t *testing.T, body []byte) any {
	t.Helper()
	told, _ := errorIn(t, body)["data"].(data)
	return told["reason"]
}

// served is the guard in front of a handler on a real server.
func (scene *scene) served(t *testing.T, next http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(scene.guard.Handler(next))
	t.Cleanup(server.Close)
	return server
}

func (scene *scene) post(t *testing.T, server *httptest.Server, body string, more ...[2]string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/tools", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range scene.headers(more...) {
		request.Header.Set(header[0], header[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestTheHandlerGetsTheMessageAndTheStepAndNoToken(t *testing.T) {
	scene := guarded(t, "ready", nil)
	var seen *http.Request
	var body []byte
	next := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		seen = request
		body, _ = io.ReadAll(request.Body)
	})
	proofs := [][2]string{{"DPoP", "x"}, {"Workload-Identity-Token", "x"}, {"Txn-Token", "x"}, {"X-Other", "x"}}
	if answer := scene.ask(t, next, "POST", "/tools", scene.headers(proofs...), callOf("search")); answer.Code != http.StatusOK {
		t.Fatal(answer.Code, answer.Body)
	}
	if len(seen.Header) != 2 || seen.Header.Get("X-Other") != "x" || seen.Header.Get("Content-Type") == "" {
		t.Errorf("got the headers %v", seen.Header)
	}
	if step := StepOf(seen.Context()); step == nil || step.Step.RunID != "r1" {
		t.Errorf("got the step %v", step)
	}
	if !bytes.Contains(body, []byte(`"name":"search"`)) || seen.ContentLength != int64(len(body)) {
		t.Errorf("got %s of %d bytes", body, seen.ContentLength)
	}
}

func TestACallWhoseStepEndsIsStoppedAndRefusedInItsPlace(t *testing.T) {
	scene := guarded(t, "ready", nil)
	entered, stopped := make(chan bool), make(chan error, 1)
	server := scene.served(t, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		close(entered)
		<-request.Context().Done()
		stopped <- context.Cause(request.Context())
	}))
	go func() {
		<-entered
		scene.denyStep(t)
	}()
	response := scene.post(t, server, callOf("search"))
	body, _ := io.ReadAll(response.Body)
	challenge := response.Header.Get("WWW-Authenticate")
	if response.StatusCode != http.StatusUnauthorized || reasonIn(t, body) != "STEP_CLOSED" {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
	if !strings.Contains(challenge, `error_description="STEP_CLOSED: the step has ended"`) {
		t.Errorf("challenged by %s", challenge)
	}
	var refused *stint.Refusal
	if cause := <-stopped; !errors.As(cause, &refused) || refused.Code != stint.Revoked {
		t.Errorf("stopped by %v", cause)
	}
}

func TestACallerIsToldOfTheEndWhateverTheHandlerDoes(t *testing.T) {
	scene := guarded(t, "ready", nil)
	entered, release := make(chan bool), make(chan bool)
	server := scene.served(t, http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		if _, err := response.Write([]byte("too late")); err == nil {
			t.Error("what is said after the end is passed on")
		}
	}))
	defer close(release)
	go func() {
		<-entered
		scene.denyStep(t)
	}()
	if response := scene.post(t, server, callOf("search")); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %d", response.StatusCode)
	}
}

func TestAStreamOfEventsEndsWithOneThatSaysWhy(t *testing.T) {
	scene := guarded(t, "ready", nil)
	server := scene.served(t, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Type", "text/event-stream")
		_, _ = response.Write([]byte("data: {}"))
		_ = http.NewResponseController(response).Flush()
		<-request.Context().Done()
	}))
	response := scene.post(t, server, callOf("search"))
	scene.denyStep(t)
	body, err := io.ReadAll(response.Body)
	before, event, _ := strings.Cut(string(body), "\n\n")
	sent, isEvent := strings.CutPrefix(event, "event: message\ndata: ")
	if err != nil || before != "data: {}" || !isEvent || reasonIn(t, []byte(sent)) != "STEP_CLOSED" {
		t.Errorf("read %q, %v", body, err)
	}
}

func TestAnotherAnswerThatHasBegunIsBrokenOff(t *testing.T) {
	scene := guarded(t, "ready", nil)
	server := scene.served(t, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		_, _ = response.Write([]byte(`{"half":`))
		_ = http.NewResponseController(response).Flush()
		<-request.Context().Done()
	}))
	response := scene.post(t, server, callOf("search"))
	scene.denyStep(t)
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("read %q as if it were whole", body)
	}
}

func TestACallDoesNotGoOnWhenNothingIsKnownOfItsStepForTooLong(t *testing.T) {
	scene := guarded(t, "ready", nil)
	entered := make(chan bool)
	server := scene.served(t, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		close(entered)
		<-request.Context().Done()
	}))
	over := make(chan bool)
	go func() {
		<-entered
		// The call's own turn to look at it comes once a second by a clock that moves only here.
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				scene.clock.Advance(time.Second)
			}
		}
	}()
	response := scene.post(t, server, callOf("write"))
	close(over)
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusServiceUnavailable || reasonIn(t, body) != "STALE" {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
}

func TestACallOfHighRiskIsTheBrokersToAllow(t *testing.T) {
	scene := guarded(t, "ready", func(settings *Settings) { settings.AskedTools = []string{"search"} })
	next := answering("application/json", "{}")
	scene.broker.Answers(&stintv1.CheckResponse{Effect: stintv1.Effect_EFFECT_ALLOW, DecisionId: "dec_1"})
	if answer := scene.ask(t, next, "POST", "/tools", scene.headers(), callOf("search")); answer.Code != http.StatusOK {
		t.Fatal(answer.Code, answer.Body)
	}
	asked := scene.broker.Checks()
	if len(asked) != 1 || "Bearer "+asked[0].GetJwtSvid() != scene.bearer() || asked[0].GetLocation() != scene.vectors.Resource {
		t.Errorf("asked %v", asked)
	}
	scene.broker.Answers(&stintv1.CheckResponse{
		Effect: stintv1.Effect_EFFECT_DENY, DecisionId: "dec_2", Reason: "POLICY_DENIED", Message: `not "now"`,
		Metadata: map[string]string{"approval": "approver"},
	})
	answer := scene.ask(t, next, "POST", "/tools", scene.headers(), callOf("search"))
	challenge := answer.Header().Get("WWW-Authenticate")
	if answer.Code != http.StatusForbidden || !strings.Contains(challenge, "POLICY_DENIED: not 'now' (refused: search at ") ||
		!strings.Contains(challenge, "; decision: dec_2; approval: approver)") {
		t.Errorf("answered %d, challenged by %s", answer.Code, challenge)
	}
	told := errorIn(t, answer.Body.Bytes())["data"].(data)
	authorization := told["authorization"].(data)
	if told["decision_id"] != "dec_2" || told["approval"] != "approver" || authorization["authorizationContextId"] != "dec_2" {
		t.Errorf("told %v", told)
	}
	if _, isHinted := authorization["remediationHints"]; isHinted {
		t.Error("another token would not help")
	}
}

func TestASessionIsTheStepsThatOpenedIt(t *testing.T) {
	scene := guarded(t, "ready", nil)
	var methods []string
	next := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		methods = append(methods, request.Method)
		response.Header().Set("Mcp-Session-Id", "s1")
		answering("application/json", "{}")(response, request)
	})
	session := [2]string{"Mcp-Session-Id", "s1"}
	ask := func(want int, method string, headers [][2]string, body string) {
		t.Helper()
		if answer := scene.ask(t, next, method, "/tools", headers, body); answer.Code != want {
			t.Errorf("%s: %d %s", method, answer.Code, answer.Body)
		}
	}
	ask(200, "POST", scene.headers(), callOf("search"))
	ask(200, "POST", scene.headers(session), callOf("search"))
	ask(200, "GET", scene.headers(session), "")
	theirs := [][2]string{{"Authorization", scene.another(t, "a step of another run")}, {"Content-Type", "application/json"}, session}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		ask(404, method, theirs, callOf("search"))
	}
	// A response is one to what the server has asked in the session.
	ask(200, "POST", scene.headers(session), `{"jsonrpc":"2.0","id":1,"result":{}}`)
	ask(200, "DELETE", scene.headers(session), "")
	ask(404, "GET", scene.headers(session), "")
	if got := strings.Join(methods, " "); got != "POST POST GET POST DELETE" {
		t.Errorf("the handler got %s", got)
	}
}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTheMetadataIsFoundByThePathAsItWasSent(t *testing.T) {
	scene := guarded(t, "ready", nil)
	for path, status := range map[string]int{
		"/.well-known/oauth-protected-resource/tools?x":  http.StatusOK,
		"/.well-known/oauth-protected-resource/%74ools":  http.StatusUnauthorized,
		"//.well-known/oauth-protected-resource/tools":   http.StatusUnauthorized,
		"/.well-known/oauth-protected-resource/tools/..": http.StatusUnauthorized,
	} {
		if answer := scene.ask(t, answering("text/plain", ""), "GET", path, nil, ""); answer.Code != status {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

func TestAPanicOfTheHandlerIsItsOwn(t *testing.T) {
	scene := guarded(t, "ready", nil)
	defer func() {
		if panicked := recover(); panicked != http.ErrAbortHandler {
			t.Errorf("panicked with %v", panicked)
		}
	}()
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	scene.ask(t, next, "POST", "/tools", scene.headers(), callOf("search"))
}

func TestATokenThatIsBoundToACertificateComesOverItsConnection(t *testing.T) {
	// Whoever has made the connection has the key of what is first in the list; what is in it is told by its digest alone.
	request := httptest.NewRequest("POST", "/tools", nil)
	if got := stint.PossessionOf(request); got != (stint.Possession{}) {
		t.Errorf("without TLS: %v", got)
	}
	request.TLS = &tls.ConnectionState{}
	if got := stint.PossessionOf(request); got != (stint.Possession{}) {
		t.Errorf("without a certificate: %v", got)
	}
	request.TLS.PeerCertificates = []*x509.Certificate{{Raw: []byte("abc")}, {Raw: []byte("def")}}
	// SHA-256 of "abc", FIPS 180-2 appendix B.1.
	if got := stint.PossessionOf(request).X5tS256; got != "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" {
		t.Errorf("with one: %v", got)
	}
}

func TestAMistakeInTheSettingsStopsTheServerAndNotItsCallers(t *testing.T) {
	scene := guarded(t, "ready", nil)
	good := scene.guard.settings.Settings
	search := good.Tools[0]
	for field, change := range map[string]func(*Settings){
		"verifier":       func(settings *Settings) { settings.Verifier = nil },
		"resource":       func(settings *Settings) { settings.Resource = "https://Mcp.example.org" },
		"audience":       func(settings *Settings) { settings.Resource = "https://other.example.org" },
		"issuer":         func(settings *Settings) { settings.Issuer = "stint" },
		"tools":          func(settings *Settings) { settings.Tools = []stint.ToolUse{search, search} },
		"tools.a b":      func(settings *Settings) { settings.Tools = []stint.ToolUse{{Tool: "a b"}} },
		"tools.search":   func(settings *Settings) { settings.Tools = []stint.ToolUse{{Tool: "search", Datatypes: []string{"a"}}} },
		"asked_tools":    func(settings *Settings) { settings.AskedTools = []string{"serach"} },
		"other_methods":  func(settings *Settings) { settings.OtherMethods = []string{"tools/*"} },
		"max_body_bytes": func(settings *Settings) { settings.MaxBodyBytes = -1 },
	} {
		settings := good
		change(&settings)
		_, err := New(settings)
		var failed *stint.Error
		if !errors.As(err, &failed) || failed.Metadata["field"] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
