package stint

import (
	"context"
	"net"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

var anyScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

const (
	// The broker is trusted with our memory.
	receivedBytesMax = 64 * 1024 * 1024
	// A local socket comes back in no time, and a verifier is without its feed until the socket is found again.
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 2 * time.Second
	// How long an attempt may take, which on a busy machine is longer.
	connectTimeout = 5 * time.Second
)

// openChannel gives a connection to a socket of the broker; made on the first call, and made again when it breaks.
func openChannel(socket string) (*grpc.ClientConn, error) {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return grpc.NewClient(
		// The path is the dialer's, so that nothing in it is read as a part of a URL.
		"passthrough:///stint",
		grpc.WithContextDialer(dial),
		// The kernel says who is at the other end of a socket.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// HTTP/2 wants an authority, and the path of a socket is none.
		grpc.WithAuthority("localhost"),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMax},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(receivedBytesMax)),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	)
}

// withSecurityHeader is for every call, so that no page in a browser can make one. See SPIFFE Workload Endpoint section 6.2.
func withSecurityHeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", "true")
}

// socketPathOf gives the path of a socket, from unix:///run/stint/workload.sock as SPIFFE writes it, unix:…, or the path alone.
// See SPIFFE Workload Endpoint section 4.
func socketPathOf(endpoint, field string) (string, *Error) {
	scheme, path := anyScheme.FindString(endpoint), endpoint
	if scheme == "unix:" {
		path = endpoint[len(scheme):]
		if strings.HasPrefix(path, "///") {
			path = path[len("//"):]
		}
	}
	if path == "" || strings.HasPrefix(path, "//") || (scheme != "" && scheme != "unix:") {
		return "", invalidField(field, "the path of a unix socket, or unix:///path")
	}
	return path, nil
}
