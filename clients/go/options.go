package stint

import (
	"log/slog"
	"os"
	"slices"
	"time"
)

// Options are what a verifier is made with.
type Options struct {
	// Audiences are what this verifier is: for an MCP server its canonical resource URI. At least one.
	Audiences []string
	// Endpoint is the workload endpoint; empty: SPIFFE_ENDPOINT_SOCKET of the environment.
	Endpoint string
	// MaxStaleness says how long it may go without the feed, by action; above 0, at most 60 s. nil: Read 60 s, everything else 15 s.
	MaxStaleness StalenessBounds
	// Development accepts a throw-away broker's trust domain. Never in production: anybody can make one.
	Development bool
	// AllowSeveralAudiences accepts tokens for several audiences, which identify and grant nothing.
	AllowSeveralAudiences bool
	// GrantsFrom are foreign trust domains whose grants count here: their brokers then decide what their agents may do with these tools,
	// and a step that ends there is refused here only once its token has expired. nil: none.
	GrantsFrom []string
	// Logger is told what a verifier waits for that is not ready in time; nil: the default one.
	Logger *slog.Logger
	// Clock is replaced in tests alone; nil: the machine's.
	Clock Clock
}

// checked fills in what is left out; the second result is the path of the socket.
func (options Options) checked() (Options, string, error) {
	if options.Endpoint == "" {
		options.Endpoint = os.Getenv("SPIFFE_ENDPOINT_SOCKET")
	}
	if options.Endpoint == "" {
		return options, "", invalidField("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET")
	}
	socket, err := socketPathOf(options.Endpoint, "endpoint")
	if err != nil {
		return options, "", err
	}
	if len(options.Audiences) == 0 {
		return options, "", invalidField("audiences", "a list of at least one")
	}
	for _, audience := range options.Audiences {
		if err := checkAudience(audience, "audiences"); err != nil {
			return options, "", err
		}
	}
	for _, trustDomain := range options.GrantsFrom {
		if err := checkTrustDomain(trustDomain, "grants_from"); err != nil {
			return options, "", err
		}
	}
	if err := options.MaxStaleness.check(); err != nil {
		return options, "", err
	}
	options.Audiences, options.GrantsFrom = slices.Clone(options.Audiences), slices.Clone(options.GrantsFrom)
	if options.Clock == nil {
		options.Clock = systemClock{started: time.Now()}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	return options, socket, nil
}
