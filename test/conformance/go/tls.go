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

// #region step
// sourceOf waits until there is an identity, and is then always the step of this hint, "<run_id>/<step>/<attempt>".
func sourceOf(ctx context.Context, client *workloadapi.Client, hint string) (*workloadapi.X509Source, error) {
	step := func(svids []*x509svid.SVID) *x509svid.SVID {
		for _, one := range svids {
			if one.Hint == hint {
				return one
			}
		}
		// None of another step, which may do other things.
		return nil
	}
	return workloadapi.NewX509Source(ctx, workloadapi.WithClient(client), workloadapi.WithDefaultX509SVIDPicker(step))
}

// #endregion

// #region server
// serverConfig is that of a server which asks the authorizer about every connection.
func serverConfig(source *workloadapi.X509Source, authorizer tlsconfig.Authorizer) *tls.Config {
	config := tlsconfig.MTLSServerConfig(source, source, authorizer)
	// A client that comes back with a ticket is let in by it, and nobody is asked: not about an SVID that has been revoked since.
	config.SessionTicketsDisabled = true
	return config
}

// #endregion

// serve accepts one connection of the one step that may connect, and says who it was.
func (w *workload) serve(ctx context.Context, o order) (any, error) {
	client, err := spiffeid.FromString(o.SpiffeID)
	if err != nil {
		return nil, err
	}
	source, err := sourceOf(ctx, w.client, o.Hint)
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig(source, tlsconfig.AuthorizeID(client)))
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
	source, err := sourceOf(ctx, w.client, o.Hint)
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
