// Package refusal has the answers that say no: the words, headers and bodies of all Stint guards.
package refusal

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"stint.example/stint"
)

// Codes of JSON-RPC.
const (
	ParseError      = -32_700
	InvalidRequest  = -32_600
	MethodNotFound  = -32_601
	InvalidParams   = -32_602
	Internal        = -32_603
	SessionNotFound = -32_001
	HeaderMismatch  = -32_020
	// Refused is for every refusal of authority that another token could mend; the reason in data says which.
	Refused = -32_010
)

const (
	// How soon a client may try a verifier again that has lost its feed: it reconnects within two seconds.
	retryAfterSeconds = 2
	// What a header may grow by; what is longer is in the body alone.
	describedBytesMax = 1_024
)

// Refusal is an answer that says no.
type Refusal struct {
	Status, Code int
	// Reason is in the verifier's words, but for a step that has ended, which is STEP_CLOSED; or one of the guard's own.
	Reason string
	// Message has no quotation marks: it goes into a header's quoted string.
	Message string
	// Details are for data, beside the reason.
	Details map[string]string
	// Denied is what a call would have taken that the step may not make; nil for any other refusal.
	Denied *stint.GrantElement
	// Approval is the role that may approve the call; empty where approving can't help.
	Approval string
	// Challenges are what WWW-Authenticate says; none: there is no such header.
	Challenges []Challenge
	Headers    map[string]string
}

// Schemes of credentials.
const (
	Bearer = "Bearer"
	DPoP   = "DPoP"
)

// Terms are what a challenge depends on beside the error.
type Terms struct {
	// Scheme is that of the request; empty: Bearer.
	Scheme string
	// DPoP says whether proofs are taken.
	DPoP bool
	// Scope is what the request takes; empty where that is not known.
	Scope string
}

// Challenge is a scheme that would do.
type Challenge struct {
	Scheme string
	// Error is empty for whoever brought no token: they are told no error, only where tokens come from.
	Error string
	// Scope is what the request takes; empty where that is not known.
	Scope string
}

// Of says what the refusal of a verifier means to a client: 401 with a new token or proof, 403 with a wider grant, 503 later.
//
// A verifier that cannot tell is no reason to ask for new tokens, hence not 401. denied is what the call takes as an element of a grant,
// where that is known. See RFC 6750 section 3.1, RFC 9449 section 7.1, MCP authorization.
func Of(refused *stint.Refusal, terms Terms, denied *stint.GrantElement) *Refusal {
	answer := &Refusal{Code: Refused, Reason: string(refused.Code), Message: refused.Message, Details: map[string]string{}}
	if state, isOfStep := refused.Metadata["state"]; isOfStep && refused.Code == stint.Revoked {
		answer.Reason = "STEP_CLOSED"
		answer.Details["state"] = state
	}
	if decision, isDecided := refused.Metadata["decision_id"]; isDecided {
		answer.Details["decision_id"] = decision
	}
	scheme := terms.Scheme
	if scheme == "" {
		scheme = Bearer
	}
	switch refused.Fault() {
	case stint.OfVerifier:
		answer.Status, answer.Headers = http.StatusServiceUnavailable, map[string]string{"Retry-After": strconv.Itoa(retryAfterSeconds)}
	case stint.OfGrant:
		answer.Status, answer.Denied, answer.Approval = http.StatusForbidden, denied, refused.Metadata["approval"]
		answer.Challenges = []Challenge{{scheme, "insufficient_scope", terms.Scope}}
	default:
		answer.Status, answer.Challenges = tokenChallenges(refused, scheme, terms)
	}
	return answer
}

func tokenChallenges(refused *stint.Refusal, scheme string, terms Terms) (status int, challenges []Challenge) {
	var also []Challenge
	if terms.DPoP {
		also = []Challenge{{DPoP, "", terms.Scope}}
	}
	status = http.StatusUnauthorized
	switch refused.Code {
	case stint.TokenMissing:
		// Whoever brought no token is told no error, only where tokens come from.
		return status, append([]Challenge{{Bearer, "", terms.Scope}}, also...)
	case stint.RequestMalformed:
		return http.StatusBadRequest, []Challenge{{Bearer, "invalid_request", terms.Scope}}
	case stint.ProofInvalid, stint.ProofReplayed:
		return status, []Challenge{{DPoP, "invalid_dpop_proof", terms.Scope}}
	case stint.ProofRequired:
		if refused.Metadata["proof"] == "dpop" && terms.DPoP {
			return status, []Challenge{{DPoP, "invalid_token", terms.Scope}}
		}
		return status, append([]Challenge{{Bearer, "invalid_token", terms.Scope}}, also...)
	default:
		return status, []Challenge{{scheme, "invalid_token", terms.Scope}}
	}
}

// Data is what an error of JSON-RPC says beside code and message.
//
// It says what was refused of authority; where a wider token would do, a hint says which. See SEP-2643, a draft.
func (refused *Refusal) Data() json.RawMessage {
	data := map[string]any{"reason": refused.Reason}
	for name, value := range refused.Details {
		data[name] = value
	}
	if refused.Denied != nil {
		elements := []*stint.GrantElement{refused.Denied}
		authorization := map[string]any{"reason": "insufficient_authorization"}
		if decision, isDecided := refused.Details["decision_id"]; isDecided {
			authorization["authorizationContextId"] = decision
		}
		if refused.Reason == string(stint.GrantExceeded) {
			hint := map[string]any{"type": "oauth_authorization_details", "authorization_details": elements}
			authorization["remediationHints"] = []any{hint}
		}
		data["refused"], data["authorization"] = elements, authorization
		if refused.Approval != "" {
			data["approval"] = refused.Approval
		}
	}
	return encoded(data)
}

// Body is the JSON-RPC error of a refusal; id is as it was written, empty for none.
func (refused *Refusal) Body(id json.RawMessage) []byte {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	return encoded(map[string]any{
		"jsonrpc": "2.0",
		"id":      id,
		"error":   map[string]any{"code": refused.Code, "message": refused.Message, "data": refused.Data()},
	})
}

// Write answers a request with a refusal.
func (refused *Refusal) Write(response http.ResponseWriter, metadataURL string, id json.RawMessage) {
	header := response.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	for name, value := range refused.Headers {
		header.Set(name, value)
	}
	if len(refused.Challenges) > 0 {
		// The word as well, since of a 403 with a challenge the official client shows nothing but this description.
		description := quotable(refused.Reason + ": " + refused.Message + refused.described())
		texts := make([]string, len(refused.Challenges))
		for index, challenge := range refused.Challenges {
			texts[index] = challenge.text(description, metadataURL)
		}
		header.Set("WWW-Authenticate", strings.Join(texts, ", "))
	}
	response.WriteHeader(refused.Status)
	// A client that has gone is told nothing.
	_, _ = response.Write(refused.Body(id))
}

func (challenge Challenge) text(description, metadataURL string) string {
	var parameters []string
	if challenge.Error != "" {
		parameters = append(parameters, `error="`+challenge.Error+`"`, `error_description="`+description+`"`)
	}
	if challenge.Scope != "" {
		parameters = append(parameters, `scope="`+challenge.Scope+`"`)
	}
	// RFC 9449 section 7.1.
	if challenge.Scheme == DPoP {
		parameters = append(parameters, `algs="`+strings.Join(stint.Algorithms(), " ")+`"`)
	}
	return challenge.Scheme + " " + strings.Join(append(parameters, `resource_metadata="`+metadataURL+`"`), ", ")
}

// described is the same as Data for a challenge's description.
func (refused *Refusal) described() string {
	if refused.Denied == nil {
		return ""
	}
	var short []string
	if decision, isDecided := refused.Details["decision_id"]; isDecided {
		short = append(short, "decision: "+decision)
	}
	if refused.Approval != "" {
		short = append(short, "approval: "+refused.Approval)
	}
	element := refused.Denied
	actions := make([]string, len(element.Actions))
	for index, action := range element.Actions {
		actions[index] = string(action)
	}
	use := "refused: " + element.Identifier + " at " + strings.Join(element.Locations, ",") +
		" to " + strings.Join(actions, ",") + " of " + strings.Join(element.Datatypes, ",")
	told := strings.Join(append([]string{use}, short...), "; ")
	if len(told) > describedBytesMax {
		told = strings.Join(short, "; ")
	}
	if told == "" {
		return ""
	}
	return " (" + told + ")"
}

// quotable: RFC 6750 section 3, printable ASCII without quotation mark and backslash.
func quotable(text string) string {
	return strings.Map(func(character rune) rune {
		if character < ' ' || character > '~' || character == '"' || character == '\\' {
			return ' '
		}
		return character
	}, text)
}

func encoded(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Only texts, lists and maps of them come here.
		panic(err)
	}
	return bytes.TrimRight(buffer.Bytes(), "\n")
}
