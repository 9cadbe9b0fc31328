package guard

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"stint.example/stint"
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

// bearerTokenOf gives the token of a request. See RFC 6750 section 2.
func bearerTokenOf(header http.Header) (string, *stint.Refusal) {
	value, _ := headerOf(header, "Authorization")
	match := credentialsPattern.FindStringSubmatch(value)
	if match == nil && (schemeAlone.MatchString(value) || strings.Contains(value, ",")) {
		// Two headers come as one with a comma, which no token has.
		message := "the Authorization header must be one token: Bearer, DPoP or WPT"
		return "", &stint.Refusal{Code: stint.RequestMalformed, Message: message}
	}
	// Proofs are not looked at here, so that a token that comes with one is none.
	if match == nil || !strings.EqualFold(match[1], "Bearer") {
		return "", &stint.Refusal{Code: stint.TokenMissing, Message: "a token is required"}
	}
	return match[2], nil
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
