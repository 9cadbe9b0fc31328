package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// sourceOf is an X509Source whose identity is the step with this hint, or the oldest one.
func (w *workload) sourceOf(ctx context.Context, hint string) (*workloadapi.X509Source, error) {
	pick := workloadapi.WithDefaultX509SVIDPicker(func(svids []*x509svid.SVID) *x509svid.SVID {
		for _, one := range svids {
			if one.Hint == hint {
				return one
			}
		}
		return svids[0]
	})
	return workloadapi.NewX509Source(ctx, w.option, pick)
}

// serve accepts one connection of the one step that may connect, and says who it was.
func (w *workload) serve(ctx context.Context, o order) (any, error) {
	client, err := spiffeid.FromString(o.SpiffeID)
	if err != nil {
		return nil, err
	}
	source, err := w.sourceOf(ctx, o.Hint)
	if err != nil {
		return nil, err
	}
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(client))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	go func() {
		defer source.Close()
		defer listener.Close()
		accepted, err := listener.Accept()
		if err != nil {
			return
		}
		connection := accepted.(*tls.Conn)
		defer connection.Close()
		line, err := bufio.NewReader(connection).ReadString('\n')
		if err != nil {
			w.say(map[string]any{"event": "refused", "why": err.Error()})
			return
		}
		peer, err := x509svid.IDFromCert(connection.ConnectionState().PeerCertificates[0])
		if err != nil {
			w.say(map[string]any{"event": "refused", "why": err.Error()})
			return
		}
		w.say(map[string]any{"event": "served", "peer": peer.String(), "said": line})
		fmt.Fprintln(connection, "hello "+peer.String())
	}()
	return listener.Addr().String(), nil
}

// dial connects to the one step that is to serve, and gives what it answered.
func (w *workload) dial(ctx context.Context, o order) (any, error) {
	server, err := spiffeid.FromString(o.SpiffeID)
	if err != nil {
		return nil, err
	}
	source, err := w.sourceOf(ctx, o.Hint)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	connection, err := tls.Dial("tcp", o.Address, tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(server)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if _, err := fmt.Fprintln(connection, "hello"); err != nil {
		return nil, err
	}
	return bufio.NewReader(connection).ReadString('\n')
}
