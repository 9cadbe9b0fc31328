package guard

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"stint.example/stint"
	"stint.example/stint/internal/refusal"
)

const sessionHeader = "Mcp-Session-Id"

var (
	credentialsPattern = regexp.MustCompile(`^(?i:(Bearer|DPoP|WPT)) ([A-Za-z0-9._~+/-]+=*)$`)
	schemeAlone        = regexp.MustCompile(`^(?i:Bearer|DPoP|WPT)(?:\s|$)`)
	jsonType           = regexp.MustCompile(`^(?i:application/json)\s*(?:;|$)`)
	eventsType         = regexp.MustCompile(`^(?i:text/event-stream)\s*(?:;|$)`)
)

const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// headerOf gives a header's value; those that came twice are joined, as a list of HTTP is. false: there is none.
func headerOf(header http.Header, name string) (string, bool) {
	values := header.Values(name)
	trimmed := make([]string, len(values))
	for index, value := range values {
		trimmed[index] = strings.Trim(value, " \t")
	}
	return strings.Join(trimmed, ", "), len(values) > 0
}

func isJSON(header http.Header) bool {
	value, _ := headerOf(header, "Content-Type")
	return jsonType.MatchString(value)
}

func isEventStream(header http.Header) bool {
	value, _ := headerOf(header, "Content-Type")
	return eventsType.MatchString(value)
}

// presented are the credentials of a request, unverified.
type presented struct {
	scheme, token string
}

// credentialsOf gives the token of a request, and the scheme that it came with. See RFC 6750 section 2, RFC 9449 section 7.1.
func credentialsOf(header http.Header, isDPoPTaken bool) (presented, *stint.Refusal) {
	value, _ := headerOf(header, "Authorization")
	match := credentialsPattern.FindStringSubmatch(value)
	if match == nil && (schemeAlone.MatchString(value) || strings.Contains(value, ",")) {
		// Two headers come as one with a comma, which no token has.
		message := "the Authorization header must be one token: Bearer, DPoP or WPT"
		return presented{}, &stint.Refusal{Code: stint.RequestMalformed, Message: message}
	}
	if match != nil && strings.EqualFold(match[1], refusal.Bearer) {
		return presented{scheme: refusal.Bearer, token: match[2]}, nil
	}
	// Where proofs are not looked at, a token that comes with one is none.
	if match == nil || !isDPoPTaken || !strings.EqualFold(match[1], refusal.DPoP) {
		return presented{}, &stint.Refusal{Code: stint.TokenMissing, Message: "a token is required"}
	}
	return presented{scheme: refusal.DPoP, token: match[2]}, nil
}

// schemeOf is the scheme that a request names: DPoP, or else Bearer.
func schemeOf(header http.Header) string {
	value, _ := headerOf(header, "Authorization")
	if match := schemeAlone.FindString(value); strings.EqualFold(strings.TrimSpace(match), refusal.DPoP) {
		return refusal.DPoP
	}
	return refusal.Bearer
}

// decodeHeaderValue gives what a header of MCP says that mirrors a part of the body: as it is, or in the form for what no header can hold.
//
// false where that form holds no Base64, or no UTF-8. See MCP Streamable HTTP 2026-07-28, value encoding.
func decodeHeaderValue(value string) (string, bool) {
	if !strings.HasPrefix(value, encodedPrefix) || !strings.HasSuffix(value, encodedSuffix) {
		return value, true
	}
	// Where the two share a question mark, readers differ.
	if len(value) < len(encodedPrefix)+len(encodedSuffix) {
		return "", false
	}
	text := value[len(encodedPrefix) : len(value)-len(encodedSuffix)]
	data, err := base64.StdEncoding.DecodeString(text)
	// The decoder passes over line breaks.
	if err != nil || strings.ContainsAny(text, "\r\n") || !utf8.Valid(data) {
		return "", false
	}
	return string(data), true
}
