package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
)

// resume connects twice to a server of its own, with or without tickets, and says how often that was asked who the client is, and
// whether the second connection was a resumed one.
func (w *workload) resume(ctx context.Context, o order) (any, error) {
	source, err := sourceOf(ctx, w.client, o.Hint)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var asked atomic.Int32
	config := serverConfig(source, func(spiffeid.ID, [][]*x509.Certificate) error {
		asked.Add(1)
		return nil
	})
	config.SessionTicketsDisabled = !o.Tickets
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	go greet(listener)

	client := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeAny())
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	resumed := false
	for range 2 {
		connection, err := tls.Dial("tcp", listener.Addr().String(), client)
		if err != nil {
			return nil, err
		}
		// The ticket comes before the greeting.
		if _, err := io.ReadAll(connection); err != nil {
			return nil, err
		}
		resumed = connection.ConnectionState().DidResume
		connection.Close()
	}
	return map[string]any{"asked": asked.Load(), "resumed": resumed}, nil
}

func greet(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(connection, "hello")
		connection.Close()
	}
}
