package stint

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	// RFC 3986 section 2: every character that a URI may have; a "%" begins an escape and nothing else.
	uriPattern       = regexp.MustCompile(`^(?:[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$`)
	targetPattern    = regexp.MustCompile(`^(?i:(https?))://([^/@]+)(/.*)?$`)
	hostPortPattern  = regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?$`)
	escapePattern    = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	unreservedLetter = regexp.MustCompile(`^[A-Za-z0-9\-._~]$`)
)

// normalizeTargetURI gives an HTTP target URI without query and fragment in the form in which two URIs are compared: scheme and host in
// lower case, no default port, no dot segments, "/" for an empty path, and nothing escaped that needs no escape. Anything further, such as
// a trailing slash, makes another URI.
//
// false for anything else, such as a URI with a query, a fragment or a user. See RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3.
func normalizeTargetURI(text string) (string, bool) {
	if !uriPattern.MatchString(text) {
		return "", false
	}
	parts := targetPattern.FindStringSubmatch(escapePattern.ReplaceAllStringFunc(text, unescaped))
	if parts == nil {
		return "", false
	}
	authority := hostPortPattern.FindStringSubmatch(strings.ToLower(parts[2]))
	if authority == nil {
		return "", false
	}
	scheme, where := strings.ToLower(parts[1]), authority[1]
	if port := strings.TrimLeft(authority[2], "0"); authority[2] != "" && port != defaultPorts[scheme] {
		where += ":" + port
	}
	return scheme + "://" + where + withoutDotSegments(parts[3]), true
}

func unescaped(escape string) string {
	octet, err := strconv.ParseUint(escape[1:], 16, 8)
	if character := string(rune(octet)); err == nil && unreservedLetter.MatchString(character) {
		return character
	}
	return strings.ToUpper(escape)
}

func withoutDotSegments(path string) string {
	if path == "" {
		return "/"
	}
	segments := strings.Split(path, "/")[1:]
	kept := []string{}
	for _, segment := range segments {
		switch segment {
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		case ".":
		default:
			kept = append(kept, segment)
		}
	}
	if slices.Contains([]string{".", ".."}, segments[len(segments)-1]) {
		kept = append(kept, "")
	}
	return "/" + strings.Join(kept, "/")
}
