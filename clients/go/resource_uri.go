package stint

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/net/idna"
)

// What the URL Standard leaves as it is; whatever it would write another way is not canonical.
var (
	httpURI = regexp.MustCompile(
		"^(https?)://(\\[[0-9a-f:]+\\]|[a-z0-9!\"$&'()*+,.;=_`{}~-]+)(?::(0|[1-9][0-9]{0,4}))?" +
			`((?:/[\x21\x24-\x3b\x3d\x40-\x5b\x5d\x5f\x61-\x7a\x7c\x7e]*)?)` +
			`(\?[\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e]+)?$`)
	dotSegmentInURI = regexp.MustCompile(`(?i)/(?:\.|%2e){1,2}(?:/|$)`)
	octetsPattern   = regexp.MustCompile(`^(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}$`)
	numberPattern   = regexp.MustCompile(`^(?:[0-9]+|0x[0-9a-f]*)$`)
	schemePattern   = regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*):(.*)$`)
	// No white space, no control characters, and neither `"` nor `\`, which would break a header's quoted string.
	printablePattern = regexp.MustCompile(`^[\x{21}\x{23}-\x{5b}\x{5d}-\x{7e}\x{a1}-\x{1fff}\x{2070}-\x{d7ff}\x{f900}-\x{fdff}]+$`)
	authorityPattern = regexp.MustCompile(
		`(?s)^//(?:[^/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]<>^|%]*)(?::[0-9]{0,5})?(?:[/?#].*)?$`)
	httpScheme = regexp.MustCompile(`(?i)^https?:`)
)

var defaultPorts = map[string]string{"http": "80", "https": "443"}

const portMax = 65_535

// As the URL Standard has its hosts.
var hostProfile = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.CheckHyphens(false), idna.StrictDomainName(false),
	idna.CheckJoiners(true), idna.BidiRule(),
)

// IsResourceURI says whether a text is an http(s) URI in its canonical form.
//
// That is: lower-case scheme and host, no default port, no user, fragment, dot segment or trailing slash, and nothing that the URL
// Standard would write another way. See RFC 8707 section 2, RFC 3986 section 6.2.2.
func IsResourceURI(text string) bool {
	if len(text) > uriBytesMax {
		return false
	}
	match := httpURI.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	scheme, host, port, path, query := match[1], match[2], match[3], match[4], match[5]
	if port != "" {
		if number, _ := strconv.Atoi(port); number > portMax || port == defaultPorts[scheme] {
			return false
		}
	}
	if strings.HasSuffix(text, "?") || strings.HasSuffix(path, "/") || dotSegmentInURI.MatchString(path) {
		return false
	}
	// Between an origin and its query the URL Standard writes a slash.
	return isCanonicalHost(host) && (path != "" || query == "")
}

// checkResourceURI accepts a canonical http(s) URI.
func checkResourceURI(text, field string) *Error {
	if IsResourceURI(text) {
		return nil
	}
	expected := "a canonical http(s) URI: lower-case scheme and host, no default port, fragment, dot segment or trailing slash"
	return invalidField(field, expected)
}

// checkAudience accepts an audience: an RFC 7519 StringOrURI, and of http(s) URIs those that are canonical.
func checkAudience(text, field string) *Error {
	if httpScheme.MatchString(text) {
		return checkResourceURI(text, field)
	}
	isPrintable := len(utf16.Encode([]rune(text))) <= uriBytesMax && printablePattern.MatchString(text)
	if !isPrintable || text == anyTool || (strings.Contains(text, ":") && !isURI(text)) {
		return invalidField(field, "a string without spaces, or a URI (RFC 7519 StringOrURI)")
	}
	return nil
}

func isURI(text string) bool {
	match := schemePattern.FindStringSubmatch(text)
	return match != nil && (!strings.HasPrefix(match[2], "//") || authorityPattern.MatchString(match[2]))
}

func isCanonicalHost(host string) bool {
	if strings.HasPrefix(host, "[") {
		inner := host[1 : len(host)-1]
		address, err := netip.ParseAddr(inner)
		return err == nil && hexadecimalOf(address) == inner
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if last == "" && len(labels) > 1 {
		last = labels[len(labels)-2]
	}
	if numberPattern.MatchString(last) {
		// Whatever ends in a number is an IPv4 address to the URL Standard, or no URL at all.
		_, err := netip.ParseAddr(host)
		return octetsPattern.MatchString(host) && err == nil
	}
	if !strings.Contains(host, "xn--") {
		return true
	}
	ascii, err := hostProfile.ToASCII(host)
	return err == nil && ascii == host
}

// hexadecimalOf prints an IPv6 address as RFC 5952 has it, and one that is mapped from IPv4 without dots, as the URL Standard does.
func hexadecimalOf(address netip.Addr) string {
	if !address.Is4In6() {
		return address.String()
	}
	octets := address.As16()
	high, low := uint64(octets[12])<<8|uint64(octets[13]), uint64(octets[14])<<8|uint64(octets[15])
	return "::ffff:" + strconv.FormatUint(high, 16) + ":" + strconv.FormatUint(low, 16)
}
