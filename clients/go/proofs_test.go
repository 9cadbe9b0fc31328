package stint

import (
	"strconv"
	"testing"
)

// Proofs of possession beside the shared cases: RFC 9449's own, what is remembered of them, and the form in which URIs are compared.

// RFC 9449 section 7.1, figure 12.
const rfcProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVV" +
	"FVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWoz" +
	"Vl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU" +
	"2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPTo" +
	"A1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"

func TestTheProofOfRFC9449HoldsAndItsKeyIsTheOneThatTheRFCBindsItsTokenTo(t *testing.T) {
	proof, refused := parseDPoPProof(rfcProof)
	if refused != nil {
		t.Fatal(refused)
	}
	if proof.jkt != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("its key is %s", proof.jkt)
	}
	request := RequestProof{Method: "GET", URL: "https://resource.example.org/protectedresource"}
	jti, refused := proof.verify(request, "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", 1_562_262_620)
	if refused != nil || jti != "e1j3V_bKic8-LAEB" {
		t.Errorf("its jti is %s, %v", jti, refused)
	}
}

func TestAProofIsTakenOnceForAsLongAsItCouldBeUsedAgain(t *testing.T) {
	cache := newReplayCache(replayCapacity)
	for _, one := range []struct {
		holder string
		now    int64
		want   Code
	}{
		{"a", 0, ""}, {"b", 0, ""}, {"a", 0, ProofReplayed}, {"a", proofKeepSeconds - 1, ProofReplayed}, {"a", proofKeepSeconds, ""},
	} {
		got := Code("")
		if refused := cache.use(one.holder, "1", one.now); refused != nil {
			got = refused.Code
		}
		if got != one.want {
			t.Errorf("%s at %d: %q", one.holder, one.now, got)
		}
	}
	if len(cache.used) != 1 || len(cache.byHolder) != 1 || cache.order.Len() != 1 {
		t.Errorf("remembers %d", len(cache.used))
	}
}

func TestWhoFloodsTheMemoryOfProofsIsTheOneRefused(t *testing.T) {
	cache := newReplayCache(20)
	for holder := range 10 {
		for jti := range 2 {
			if refused := cache.use(strconv.Itoa(holder), strconv.Itoa(jti), 0); refused != nil {
				t.Fatal(refused)
			}
		}
		if refused := cache.use(strconv.Itoa(holder), "3", 0); refused == nil || refused.Code != Overloaded {
			t.Errorf("holder %d has more than its share: %v", holder, refused)
		}
	}
	if refused := cache.use("another", "1", proofKeepSeconds-1); refused == nil || refused.Code != Overloaded {
		t.Errorf("a full memory takes one more: %v", refused)
	}
	if refused := cache.use("0", "3", proofKeepSeconds); refused != nil {
		t.Errorf("what may be forgotten is not: %v", refused)
	}
}

func TestURIsAreComparedInOneForm(t *testing.T) {
	for text, normal := range map[string]string{
		"HTTP://A.example:80":             "http://a.example/",
		"https://a.example:08443/%7ex%2f": "https://a.example:8443/~x%2F",
		"https://a.example/a/./../b/..":   "https://a.example/",
		"https://a.example/a//b":          "https://a.example/a//b",
		"https://[::1]:443/a":             "https://[::1]/a",
		"https://u@a.example/":            "",
		"https://a.example/?":             "",
		"https://a.example/%zz":           "",
		"https:///a":                      "",
		"ftp://a.example/":                "",
		"https://a.example:x/":            "",
	} {
		if got, isURI := normalizeTargetURI(text); got != normal || isURI != (normal != "") {
			t.Errorf("%s: %s", text, got)
		}
	}
}
