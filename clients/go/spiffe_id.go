package stint

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	trustDomainPattern = regexp.MustCompile(`^[a-z0-9._-]+$`)
	spiffeIDPattern    = regexp.MustCompile(`^spiffe://([a-z0-9._-]+)((?:/[A-Za-z0-9._-]+)*)$`)
	dotSegmentInID     = regexp.MustCompile(`/\.\.?(?:/|$)`)
	stepPattern        = regexp.MustCompile(`^(.+)/run/([^/]+)/step/([^/]+)/([1-9][0-9]{0,9})$`)
)

// spiffeID is a SPIFFE ID that was checked, exactly as written: nothing is folded or normalized.
type spiffeID struct {
	text        string
	trustDomain string
	// With its leading slash; empty for the trust domain itself.
	path string
}

// spiffeIDOf reads a SPIFFE ID, with or without a path.
//
// Stricter than the standard in one point: upper case in scheme or trust domain is refused rather than folded. See SPIFFE-ID section 2.
func spiffeIDOf(text string) (spiffeID, bool) {
	if len(text) > spiffeIDBytesMax {
		return spiffeID{}, false
	}
	match := spiffeIDPattern.FindStringSubmatch(text)
	if match == nil || len(match[1]) > trustDomainBytesMax || dotSegmentInID.MatchString(match[2]) {
		return spiffeID{}, false
	}
	return spiffeID{text: text, trustDomain: match[1], path: match[2]}, true
}

func checkTrustDomain(text, field string) *Error {
	if len(text) > trustDomainBytesMax || !trustDomainPattern.MatchString(text) {
		return invalidField(field, "a trust domain of 1 to 255 characters a-z, 0-9, '.', '-', '_'")
	}
	return nil
}

// stepName is one attempt of one step of one run, of an agent.
type stepName struct {
	agent, runID, step string
	attempt            int
}

// stepName reads a step back from its SPIFFE ID.
func (id spiffeID) stepName() (stepName, bool) {
	match := stepPattern.FindStringSubmatch(id.text)
	// An agent has a path of its own: spiffe://example.org/run/… names no agent.
	if match == nil || !strings.Contains(match[1][len("spiffe://"):], "/") {
		return stepName{}, false
	}
	attempt, err := strconv.Atoi(match[4])
	return stepName{agent: match[1], runID: match[2], step: match[3], attempt: attempt}, err == nil
}
