package guard

import (
	"net/http"
	"strings"
	"testing"
)

func TestAStepIsListedTheToolsThatItMayCall(t *testing.T) {
	scene := guarded(t, "ready", nil)
	list := `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	listed := `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"search","n":1e3},{"name":"erase"},{"name":"unheard"},7],"cacheScope":"public"}}`
	want := `{"id":7,"jsonrpc":"2.0","result":{"cacheScope":"private","tools":[{"n":1e3,"name":"search"}]}}`
	for _, one := range []struct{ contentType, body, want string }{
		{"application/json", listed, want},
		{"text/event-stream", ": a\r\nid: 1\r\ndata: " + listed + "\r\n\r\ndata:\n\n", ": a\nid: 1\ndata: " + want + "\n\ndata: \n\n"},
		{"text/event-stream", "data: " + listed, ""},
	} {
		answer := scene.ask(t, answering(one.contentType, one.body), "POST", "/tools", scene.headers(), list)
		if got := answer.Body.String(); got != one.want {
			t.Errorf("%s: %q", one.contentType, got)
		}
	}
	for contentType, body := range map[string]string{"text/plain": listed, "application/json": "{", "application/json; a": "[" + listed + "]"} {
		answer := scene.ask(t, answering(contentType, body), "POST", "/tools", scene.headers(), list)
		if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "unheard") {
			t.Errorf("what can't be read is passed on: %d %s", answer.Code, answer.Body)
		}
	}
}

func TestEventsAreWholeHoweverTheyCome(t *testing.T) {
	text := "id: 1\r\ndata: {\"result\":{\"tools\":[]}}\r\n\r\n: x\n\n"
	for cut := range text {
		view := &view{isSeen: func(string) bool { return true }, isEvents: true}
		var got []byte
		for _, part := range []string{text[:cut], text[cut:]} {
			passed, err := view.take([]byte(part))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, passed...)
		}
		if want := "id: 1\ndata: {\"result\":{\"tools\":[]}}\n\n: x\n\n"; string(got) != want {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}
