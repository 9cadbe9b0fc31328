package guard

import (
	"errors"
	"net/http"
	"strings"

	"stint.example/stint"
	"stint.example/stint/internal/refusal"
	"stint.example/stint/internal/toolmap"
)

const (
	versionKey = "io.modelcontextprotocol/protocolVersion"
	// From this revision on, the standard headers are required, and there are no sessions.
	modernSince = "2026-07-28"
)

// authorize says whether a step may send a message: a tool's call by the tool map and the step's grant, anything else by the list of
// methods.
//
// The standard headers, by which a proxy may already have decided, must say the same as the body. See MCP Streamable HTTP, standard
// headers. It gives the use of a permitted call, or nil for another permitted message.
func (settings *checked) authorize(
	step *stint.VerifiedStep, sent *message, header http.Header,
) (*stint.Call, *refusal.Refusal, error) {
	isModern := isModern(sent, header)
	if words := headerMismatch(sent, header, isModern); words != "" {
		refused := &refusal.Refusal{
			Status: http.StatusBadRequest, Code: refusal.HeaderMismatch, Reason: "HEADER_MISMATCH", Message: words,
		}
		return nil, refused, nil
	}
	if _, isThere := sent.params["requestState"]; isThere {
		// The guard seals none, so it can't know whose this one is.
		words := "the requestState is not one that was given to this step for this request"
		return nil, answered(http.StatusOK, refusal.InvalidParams, "REQUEST_STATE_INVALID", words), nil
	}
	if sent.method == toolmap.Call {
		return settings.authorizeCall(step, sent, header)
	}
	if toolmap.IsOtherMethod(settings.OtherMethods, sent.method) {
		return nil, nil, nil
	}
	// No 403, since there is no token that would help: it is as if there were no such method. In the older protocol 404 would say that the
	// session is gone, and what has no answer can be refused by its status alone.
	status := http.StatusOK
	if isModern {
		status = http.StatusNotFound
	} else if len(sent.id) == 0 {
		status = http.StatusBadRequest
	}
	return nil, answered(status, refusal.MethodNotFound, "METHOD_REFUSED", "the method is not one that this server permits"), nil
}

func (settings *checked) authorizeCall(
	step *stint.VerifiedStep, sent *message, header http.Header,
) (*stint.Call, *refusal.Refusal, error) {
	name, isText := sent.params["name"].(string)
	if !isText || len(sent.id) == 0 {
		return nil, malformed(refusal.InvalidRequest, "tools/call must be a request that names its tool"), nil
	}
	call, isDeclared := settings.tools.Use(name)
	if !isDeclared {
		// As a server answers that has no such tool.
		words := "the tool is not one that this server permits"
		return nil, answered(http.StatusOK, refusal.InvalidParams, "TOOL_UNDECLARED", words), nil
	}
	err := settings.Verifier.Authorize(step, call.ToolUse)
	var refused *stint.Refusal
	switch {
	case err == nil:
		return &call, nil, nil
	case errors.As(err, &refused) && refused.Code == stint.CheckRequired:
		// Who serves the call has the broker asked about it.
		return &call, nil, nil
	case refused != nil:
		return nil, settings.refusalOf(refused, &call, header), nil
	default:
		return nil, nil, err
	}
}

// refusalOf is for a call that the step may not make; nil: for another message.
func (settings *checked) refusalOf(refused *stint.Refusal, call *stint.Call, header http.Header) *refusal.Refusal {
	if call == nil {
		return refusal.Of(refused, settings.terms(header, ""), nil)
	}
	return refusal.Of(refused, settings.terms(header, scopeOf(call.Tool)), settings.tools.Element(call.Tool))
}

func (settings *checked) terms(header http.Header, scope string) refusal.Terms {
	terms := refusal.Terms{Scheme: refusal.Bearer, DPoP: settings.DPoP, Scope: scope}
	if settings.DPoP {
		terms.Scheme = schemeOf(header)
	}
	return terms
}

func headerMismatch(sent *message, header http.Header, isModern bool) string {
	isRequired := len(sent.id) > 0 && isModern
	if method, isThere := headerOf(header, "Mcp-Method"); (isThere && method != sent.method) || (!isThere && isRequired) {
		return "the header Mcp-Method must be the method of the body"
	}
	// What other methods have in Mcp-Name decides nothing here, and is the server's to check.
	if sent.method != toolmap.Call {
		return ""
	}
	name, isThere := headerOf(header, "Mcp-Name")
	if decoded, isText := decodeHeaderValue(name); (isThere && (!isText || any(decoded) != sent.params["name"])) || (!isThere && isRequired) {
		return "the header Mcp-Name must be the name of the tool in the body"
	}
	if !isModern {
		return ""
	}
	// Which argument each of these mirrors the tool's schema says, so that the rest is the server's to compare.
	for name := range header {
		if !strings.HasPrefix(name, "Mcp-Param-") {
			continue
		}
		value, _ := headerOf(header, name)
		if _, isText := decodeHeaderValue(value); !isText {
			return "a header Mcp-Param must be text, or Base64 of UTF-8 in its frame"
		}
	}
	return ""
}

// isModern says whether a request is of the protocol without sessions, whose requests say by themselves all there is to know.
func isModern(sent *message, header http.Header) bool {
	if sent != nil {
		meta, _ := sent.params["_meta"].(map[string]any)
		if _, isClaimed := meta[versionKey]; isClaimed {
			return true
		}
	}
	version, _ := headerOf(header, "Mcp-Protocol-Version")
	return version >= modernSince
}

// scopeByHeaders is what a request takes, as far as its headers tell before its body is read; empty where they do not.
func (settings *checked) scopeByHeaders(header http.Header) string {
	method, _ := headerOf(header, "Mcp-Method")
	value, _ := headerOf(header, "Mcp-Name")
	name, _ := decodeHeaderValue(value)
	if _, isDeclared := settings.tools.Use(name); method != toolmap.Call || !isDeclared {
		return ""
	}
	return scopeOf(name)
}

func answered(status, code int, reason, words string) *refusal.Refusal {
	return &refusal.Refusal{Status: status, Code: code, Reason: reason, Message: words}
}
