package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"unicode/utf8"

	"stint.example/stint/internal/refusal"
)

// message is the one JSON-RPC message of a request.
type message struct {
	// As it was written; empty for a notification.
	id     json.RawMessage
	method string
	params map[string]any
	// A response has no method.
	isResponse bool
	// As it was parsed: what the server must act on is what was looked at.
	body map[string]any
}

// What decides here. Some readers, Go's own among them, take a name in other letters for the same.
var decidingNames = []string{"jsonrpc", "id", "method", "params", "result", "error", "name", "_meta", "requestState"}

var byteOrderMark = []byte("\xef\xbb\xbf")

// messageOf reads a body. See MCP Streamable HTTP: a POST holds a single message.
func messageOf(data []byte) (*message, *refusal.Refusal) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, byteOrderMark)))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil {
		// Of a whole body nothing is left.
		_, err = decoder.Token()
	}
	if !utf8.Valid(data) || !errors.Is(err, io.EOF) || value == nil {
		return nil, malformed(refusal.ParseError, "the body is not JSON")
	}
	// A batch would need an answer for each of its elements; MCP has none of them any more.
	body, isObject := value.(map[string]any)
	if !isObject {
		return nil, malformed(refusal.InvalidRequest, "the body must be a single JSON-RPC message")
	}
	params, hasParams := body["params"].(map[string]any)
	if hasLookalike(body) || hasLookalike(params) {
		return nil, malformed(refusal.InvalidRequest, "the members of the body must be written as JSON-RPC and MCP have them")
	}
	if isResponse(body) {
		return &message{body: body, isResponse: true}, nil
	}
	method, isText := body["method"].(string)
	_, isThere := body["params"]
	id, hasID := idOf(body)
	_, isIDThere := body["id"]
	if body["jsonrpc"] != "2.0" || !isText || (isThere && !hasParams) || (isIDThere && !hasID) {
		return nil, malformed(refusal.InvalidRequest, "the body must be a JSON-RPC request, notification or response")
	}
	return &message{id: id, method: method, params: params, body: body}, nil
}

func hasLookalike(members map[string]any) bool {
	for name := range members {
		for _, deciding := range decidingNames {
			if name != deciding && strings.EqualFold(name, deciding) {
				return true
			}
		}
	}
	return false
}

// idOf gives the id of a message: a text, or a whole number.
func idOf(body map[string]any) (json.RawMessage, bool) {
	switch id := body["id"].(type) {
	case string:
		data, err := json.Marshal(id)
		return data, err == nil
	case json.Number:
		number, err := id.Float64()
		return json.RawMessage(id), err == nil && number == math.Trunc(number)
	default:
		return nil, false
	}
}

// isResponse: with a method it would be a response to one reader and a request to the next.
func isResponse(body map[string]any) bool {
	_, hasMethod := body["method"]
	_, hasID := idOf(body)
	if body["jsonrpc"] != "2.0" || hasMethod || !hasID {
		return false
	}
	value, isError := body["error"]
	if !isError {
		_, isResult := body["result"].(map[string]any)
		return isResult
	}
	failed, _ := value.(map[string]any)
	_, hasResult := body["result"]
	code, hasCode := failed["code"].(json.Number)
	_, hasMessage := failed["message"].(string)
	number, err := code.Float64()
	return !hasResult && hasCode && err == nil && number == math.Trunc(number) && hasMessage
}

// malformed is for a request that is no message of MCP.
func malformed(code int, words string) *refusal.Refusal {
	return &refusal.Refusal{Status: http.StatusBadRequest, Code: code, Reason: "REQUEST_MALFORMED", Message: words}
}
