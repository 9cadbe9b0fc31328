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
	// Revocation is how the verifier hears of keys and of what has ended; nil: by the feed of the workload endpoint, within milliseconds. The
	// others are for where that endpoint is not; Endpoint and GrantsFrom go with the feed alone.
	Revocation Revocation
	// MaxStaleness says how old what it knows may be, by action; above 0, but for the feed 12 s or more, and at most 60 s. nil: Read 60 s,
	// everything else 15 s.
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

// checked fills in what is left out; the second result is the path of the socket, where there is one.
func (options Options) checked() (Options, string, error) {
	socket, err := options.socket()
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
	strictest := time.Duration(0)
	if options.Revocation != nil {
		strictest = listStalenessMin
	}
	if err := options.MaxStaleness.check(strictest); err != nil {
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

// socket is the path of the workload endpoint; empty where the verifier hears by something else.
func (options Options) socket() (string, error) {
	if options.Revocation != nil {
		if options.Endpoint != "" {
			return "", invalidField("endpoint", "nothing where the revocations are not from the feed")
		}
		if len(options.GrantsFrom) > 0 {
			return "", invalidField("grants_from", "nothing where the revocations are not from the feed")
		}
		return "", nil
	}
	endpoint := options.Endpoint
	if endpoint == "" {
		endpoint = os.Getenv("SPIFFE_ENDPOINT_SOCKET")
	}
	if endpoint == "" {
		return "", invalidField("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET")
	}
	socket, err := socketPathOf(endpoint, "endpoint")
	if err != nil {
		return "", err
	}
	return socket, nil
}
