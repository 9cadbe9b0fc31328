package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// #region server
// stepTokens tells the SDK who is calling. The SDK verifies nothing of a token itself.
func stepTokens(verifier *oidc.IDTokenVerifier) auth.TokenVerifier {
	return func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		step, err := stepOf(ctx, verifier, token)
		if err != nil {
			// Any other error is answered with 500, and each with its text.
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{
			UserID:     step.Subject, // a session is then for the step that opened it alone
			Expiration: step.Expiry,  // without it every call is refused
			Extra:      map[string]any{"step": step},
		}, nil
	}
}

func newHandler(server *mcp.Server, verifier *oidc.IDTokenVerifier) http.Handler {
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return auth.RequireBearerToken(stepTokens(verifier), nil)(handler)
}

// #endregion

// serve is an MCP server at the resource's URL until standard input is closed.
func serve(ctx context.Context, mode, issuer, resource string) error {
	verifier, err := newStepVerifier(ctx, issuer, resource)
	if err != nil {
		return err
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "library", Version: "1.0.0"}, nil)
	handler := newHandler(server, verifier)
	if mode != "guide" {
		if handler, err = unchecked(ctx, mode, issuer, server); err != nil {
			return err
		}
	}
	address, err := url.Parse(resource)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address.Host)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go http.Serve(listener, handler)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// unchecked looks at the signature alone, so that what else is looked at is the SDK's doing; "no user" keeps the step from it.
func unchecked(ctx context.Context, mode, issuer string, server *mcp.Server) (http.Handler, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{SkipClientIDCheck: true, SkipExpiryCheck: true})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return auth.RequireBearerToken(func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		step, err := verifier.Verify(ctx, token)
		if err != nil {
			return nil, auth.ErrInvalidToken
		}
		info := &auth.TokenInfo{Expiration: step.Expiry}
		if mode != "no user" {
			info.UserID = step.Subject
		}
		return info, nil
	}, nil)(handler), nil
}
