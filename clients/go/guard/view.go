package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
)

// More is held of no answer that has to be read before it is passed on.
const viewedBytesMax = 16 * 1024 * 1024

var (
	errUnreadable = errors.New("an answer that the guard can't read")
	endOfLine     = regexp.MustCompile(`\r\n|\n|\r`)
)

// view makes an answer say no more than what its step gets: the tools that it may call.
type view struct {
	isSeen func(tool string) bool
	// Also of a result that may be another method's, as a session's stream repeats them.
	isOfAny  bool
	isModern bool

	held bytes.Buffer
	// Up to where no event ends.
	seenBytes    int
	isEvents     bool
	isPassedOn   bool
	isUnreadable bool
}

// viewOf is how the answer to a request has to be changed; nil: not at all.
func (asked *asked) viewOf() *view {
	isStream := asked.message == nil && asked.request.Method == http.MethodGet
	if !isStream && (asked.message == nil || asked.message.method != "tools/list") {
		return nil
	}
	settings := asked.guard.settings
	isSeen := func(tool string) bool {
		call, isDeclared := settings.tools.Use(tool)
		return isDeclared && settings.Verifier.Covers(asked.step, call.ToolUse)
	}
	return &view{isSeen: isSeen, isOfAny: isStream, isModern: isModern(asked.message, asked.request.Header)}
}

func (view *view) begin(status int, header http.Header) {
	_, isEncoded := headerOf(header, "Content-Encoding")
	view.isEvents = isEventStream(header)
	isReadable := view.isEvents || isJSON(header)
	// Of what was no success nobody reads a result.
	view.isPassedOn = !isReadable && !isEncoded && status >= http.StatusBadRequest
	isWithout := status == http.StatusAccepted || status == http.StatusNoContent
	view.isUnreadable = isEncoded || (!isReadable && !view.isPassedOn && !isWithout)
}

// take gives what of the answer can be passed on by now.
func (view *view) take(data []byte) ([]byte, error) {
	if view.isPassedOn {
		return data, nil
	}
	if view.isUnreadable || view.held.Len()+len(data) > viewedBytesMax {
		return nil, errUnreadable
	}
	view.held.Write(data)
	if !view.isEvents {
		return nil, nil
	}
	var passed []byte
	for {
		text, end := eventIn(view.held.Bytes(), view.seenBytes)
		if end == 0 {
			view.seenBytes = text
			return passed, nil
		}
		view.seenBytes = 0
		event, err := view.event(string(view.held.Next(end)[:text]))
		if err != nil {
			return nil, err
		}
		passed = append(passed, event...)
	}
}

// isHeld says whether nothing of the answer is passed on before it is whole.
func (view *view) isHeld() bool { return !view.isEvents && !view.isPassedOn }

// eventIn says how long the first event is, without and with the empty line that ends it. While that has not come, end is 0, and text is
// where the last line begins: from there on, it is looked for again.
func eventIn(data []byte, from int) (text, end int) {
	for start := from; ; {
		length := bytes.IndexAny(data[start:], "\r\n")
		next := start + length + 1
		if length < 0 {
			return start, 0
		}
		if data[next-1] == '\r' {
			if next == len(data) {
				// It may be half of an end of line.
				return start, 0
			}
			if data[next] == '\n' {
				next++
			}
		}
		if length == 0 {
			return start, next
		}
		start = next
	}
}

// rest is what is left when the answer has ended. Of an event that its end does not complete nothing is told.
func (view *view) rest() ([]byte, error) {
	if view.isUnreadable {
		return nil, errUnreadable
	}
	if view.isEvents || view.held.Len() == 0 {
		return nil, nil
	}
	return view.message(view.held.Bytes())
}

func (view *view) event(text string) ([]byte, error) {
	var others, data [][]byte
	for _, line := range endOfLine.Split(text, -1) {
		if value, isData := bytes.CutPrefix([]byte(line), []byte("data:")); isData {
			data = append(data, bytes.TrimPrefix(value, []byte(" ")))
		} else if line != "" {
			others = append(others, []byte(line))
		}
	}
	// An event that only says from where to resume has none, or an empty one.
	if joined := bytes.Join(data, []byte("\n")); len(bytes.TrimSpace(joined)) > 0 {
		changed, err := view.message(joined)
		if err != nil {
			return nil, err
		}
		data = [][]byte{changed}
	}
	for _, line := range data {
		others = append(others, append([]byte("data: "), line...))
	}
	return append(bytes.Join(others, []byte("\n")), "\n\n"...), nil
}

func (view *view) message(data []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var sent map[string]any
	if err := decoder.Decode(&sent); err != nil {
		return nil, errUnreadable
	}
	result, isResult := sent["result"].(map[string]any)
	if !isResult || !view.concerns(result) {
		return data, nil
	}
	listed, _ := result["tools"].([]any)
	seen := []any{}
	for _, one := range listed {
		tool, _ := one.(map[string]any)
		if name, isText := tool["name"].(string); isText && view.isSeen(name) {
			seen = append(seen, one)
		}
	}
	result["tools"] = seen
	if _, isThere := result["cacheScope"]; isThere || view.isModern {
		// A cache must not give them to another, who may call others.
		result["cacheScope"] = "private"
	}
	return json.Marshal(sent)
}

// concerns: a call's result could have anything beside its content.
func (view *view) concerns(result map[string]any) bool {
	_, hasTools := result["tools"].([]any)
	_, hasContent := result["content"]
	return !view.isOfAny || (hasTools && !hasContent)
}
