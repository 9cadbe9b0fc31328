package stint

import (
	"regexp"
	"slices"
	"strings"
)

// 9999-12-31T23:59:59Z; a number above it is no instant that a clock can print.
const numericDateMax = 253_402_300_799

// Scope tokens of RFC 6749 appendix A.4, joined by single spaces.
var scopePattern = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$`)

// claimsInvalid says that a claim is missing, or not what it has to be.
func claimsInvalid(expected string) *Refusal {
	return refuse(ClaimsInvalid, "claims of the token: expected "+expected)
}

// subjectOf gives the SPIFFE ID of the workload that a token identifies. See JWT-SVID section 3.1.
func subjectOf(claims map[string]any) (spiffeID, *Refusal) {
	subject, _ := claims["sub"].(string)
	id, isID := spiffeIDOf(subject)
	if !isID || id.path == "" {
		return spiffeID{}, refuse(SubjectInvalid, "the subject is not a SPIFFE ID with a path")
	}
	return id, nil
}

// times are in Unix seconds; nil where the token does not say.
type times struct {
	expiresAt           int64
	notBefore, issuedAt *int64
}

// timesOf gives the times of a token that is valid at now, Unix seconds. See RFC 7519 sections 4.1.4 to 4.1.6.
func timesOf(claims map[string]any, now int64) (times, *Refusal) {
	var instants [3]*int64
	for index, name := range []string{"exp", "nbf", "iat"} {
		instant, refused := instantOf(claims, name)
		if refused != nil {
			return times{}, refused
		}
		instants[index] = instant
	}
	if instants[0] == nil {
		return times{}, claimsInvalid("exp")
	}
	found := times{expiresAt: *instants[0], notBefore: instants[1], issuedAt: instants[2]}
	if hasExpired(found.expiresAt, now) {
		return times{}, refuse(Expired, "the token has expired")
	}
	for _, begin := range []*int64{found.notBefore, found.issuedAt} {
		if begin == nil {
			continue
		}
		if *begin > found.expiresAt {
			return times{}, claimsInvalid("exp after nbf and iat")
		}
		if now < *begin-leewaySeconds {
			return times{}, refuse(NotYetValid, "the token is not valid yet")
		}
	}
	return found, nil
}

func hasExpired(expiresAt, now int64) bool { return now >= expiresAt+leewaySeconds }

func instantOf(claims map[string]any, name string) (*int64, *Refusal) {
	value, isThere := claims[name]
	if !isThere {
		return nil, nil
	}
	instant, isInstant := numericDateOf(value)
	if !isInstant {
		return nil, claimsInvalid(name + " as whole seconds since 1970")
	}
	return &instant, nil
}

// numericDateOf gives a NumericDate in whole seconds, as everybody writes it. See RFC 7519 section 2.
func numericDateOf(value any) (int64, bool) {
	number, isWhole := wholeNumberOf(value)
	if !isWhole || number < 0 || number > numericDateMax {
		return 0, false
	}
	return int64(number), true
}

// audienceOf gives the one of the verifier's own audiences that the token is for; compared exactly. See RFC 7519 section 4.1.3.
func audienceOf(claims map[string]any, own []string, allowSeveral bool) (string, *Refusal) {
	value := claims["aud"]
	if _, isList := value.([]any); !isList {
		value = []any{value}
	}
	audiences, areTexts := textsOf(value)
	if !areTexts || len(audiences) == 0 || slices.Contains(audiences, "") {
		return "", claimsInvalid("aud as a string or a list of strings")
	}
	at := slices.IndexFunc(own, func(one string) bool { return slices.Contains(audiences, one) })
	if at < 0 {
		return "", refuse(AudienceMismatch, "the token is for another audience")
	}
	if len(audiences) > 1 {
		if !allowSeveral {
			return "", refuse(AudienceMismatch, "the token is for several audiences")
		}
		_, hasGrant := claims["authorization_details"]
		_, hasScope := claims["scope"]
		if hasGrant || hasScope {
			return "", claimsInvalid("no grant for several audiences")
		}
	}
	return own[at], nil
}

func textOf(value any, name string) (string, *Refusal) {
	text, isText := value.(string)
	if !isText || text == "" {
		return "", claimsInvalid(name + " as a string")
	}
	return text, nil
}

// optionalText gives a claim that must be a text where it is there; empty where it is not.
func optionalText(claims map[string]any, name string) (string, *Refusal) {
	value, isThere := claims[name]
	if !isThere {
		return "", nil
	}
	return textOf(value, name)
}

// scopesOf gives the words of scope; none when there is no such claim.
func scopesOf(claims map[string]any) ([]string, *Refusal) {
	value, isThere := claims["scope"]
	if !isThere || value == "" {
		return nil, nil
	}
	scope, isText := value.(string)
	if !isText || !scopePattern.MatchString(scope) {
		return nil, claimsInvalid("scope as words joined by single spaces")
	}
	return strings.Split(scope, " "), nil
}

// grantOf gives authorization_details; empty when there are none. An element of a type that is not ours is refused, not skipped.
func grantOf(claims map[string]any) (Grant, *Refusal) {
	value, isThere := claims["authorization_details"]
	if !isThere {
		return nil, nil
	}
	grant, err := parseGrant(value, "grant")
	if err != nil {
		return nil, claimsInvalid("authorization_details of type mcp_tool")
	}
	return grant, nil
}
