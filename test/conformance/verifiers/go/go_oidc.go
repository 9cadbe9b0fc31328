package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
)

// #region verify
// newStepVerifier finds the keys by the issuer's discovery document, and asks for them again when it meets a new one.
func newStepVerifier(ctx context.Context, issuer, resource string) (*oidc.IDTokenVerifier, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	// ClientID is what `aud` has to name.
	return provider.Verifier(&oidc.Config{ClientID: resource, SupportedSigningAlgs: []string{oidc.ES256}}), nil
}

// stepOf verifies a step's JWT-SVID for this server, and refuses one that is bound to a key.
func stepOf(ctx context.Context, verifier *oidc.IDTokenVerifier, token string) (*oidc.IDToken, error) {
	step, err := verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	var claims struct {
		Confirmation json.RawMessage `json:"cnf"`
	}
	if err := step.Claims(&claims); err != nil {
		return nil, err
	}
	if claims.Confirmation != nil {
		return nil, errors.New("bound to a key whose possession is not checked here")
	}
	return step, nil
}

// #endregion

func judgeByGoOIDC(ctx context.Context, mode, issuer, resource string) (judge, error) {
	if mode == "guide" {
		verifier, err := newStepVerifier(ctx, issuer, resource)
		return func(ctx context.Context, token string) (string, error) {
			step, err := stepOf(ctx, verifier, token)
			if err != nil {
				return "", err
			}
			return step.Subject, nil
		}, err
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := &oidc.Config{}
	if mode == "defaults" {
		config.ClientID = resource
	}
	return func(ctx context.Context, token string) (string, error) {
		step, err := provider.Verifier(config).Verify(ctx, token)
		if err != nil {
			return "", err
		}
		return step.Subject, nil
	}, nil
}
