package stint

import (
	"testing"
	"time"
)

func TestSettingsThatBindNothingAreRefusedByTheirField(t *testing.T) {
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "")
	good := Options{Audiences: []string{"https://mcp.example.org/tools"}, Endpoint: "/run/stint.sock"}
	for field, change := range map[string]func(*Options){
		"audiences":             func(options *Options) { options.Audiences = nil },
		"endpoint":              func(options *Options) { options.Endpoint = "" },
		"max_staleness.read":    func(options *Options) { options.MaxStaleness = StalenessBounds{Read: 0} },
		"max_staleness.default": func(options *Options) { options.MaxStaleness = StalenessBounds{OtherActions: 61 * time.Second} },
		"max_staleness":         func(options *Options) { options.MaxStaleness = StalenessBounds{"fly": time.Second} },
		"grants_from":           func(options *Options) { options.GrantsFrom = []string{"spiffe://other.example"} },
	} {
		options := good
		change(&options)
		if _, err := NewVerifier(options); fieldOf(err) != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, endpoint := range []string{"tcp://127.0.0.1:1", "unix://host/path"} {
		options := good
		options.Endpoint = endpoint
		if _, err := NewVerifier(options); fieldOf(err) != "endpoint" {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestAudiencesAreThoseThatTokensCanHave(t *testing.T) {
	for audience, isOne := range map[string]bool{
		"library": true, "urn:example:library": true, "spiffe://example.org/library": true, "https://mcp.example.org/tools": true,
		"https://Mcp.example.org": false, "https://mcp.example.org/": false, "*": false, "a b": false, "": false, `a"b`: false,
		"https://[::1]/a": true, "https://[0:0::1]/a": false, "https://[::ffff:7f00:1]/a": true, "https://127.1/a": false,
		"https://256.0.0.1": false, "https://xn--a.example": false,
	} {
		if err := checkAudience(audience, "audiences"); (err == nil) != isOne {
			t.Errorf("%q: %v", audience, err)
		}
	}
}
