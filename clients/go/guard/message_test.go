package guard

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhatSomeReadersTakeForSomethingElseIsRefused(t *testing.T) {
	scene := guarded(t, "ready", nil)
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it got to the handler") })
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call"}`,
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search","Name":"erase"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"ping","param\u017f":{"name":"erase"}}`,
		"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}",
	} {
		answer := scene.ask(t, next, "POST", "/tools", scene.headers(), body)
		if answer.Code != http.StatusBadRequest || reasonIn(t, answer.Body.Bytes()) != "REQUEST_MALFORMED" {
			t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
		}
	}
}

func TestABodyThatWasCutOffIsNoMessage(t *testing.T) {
	scene := guarded(t, "ready", nil)
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it got to the handler") })
	cut := io.MultiReader(strings.NewReader(callOf("search")), brokenReader{})
	request := httptest.NewRequest("POST", "/tools", cut)
	for _, header := range scene.headers() {
		request.Header.Set(header[0], header[1])
	}
	answer := httptest.NewRecorder()
	scene.guard.Handler(next).ServeHTTP(answer, request)
	if answer.Code != http.StatusBadRequest {
		t.Errorf("answered %d", answer.Code)
	}
}

type brokenReader struct{}
