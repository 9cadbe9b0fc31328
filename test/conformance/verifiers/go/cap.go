package main

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/cap/jwt"
)

// #region verify
// stepClaims verifies a step's JWT-SVID for this server. keys: jwt.NewOIDCDiscoveryKeySet(ctx, issuer, "").
func stepClaims(ctx context.Context, keys jwt.KeySet, issuer, resource, token string) (map[string]any, error) {
	validator, err := jwt.NewValidator(keys)
	if err != nil {
		return nil, err
	}
	claims, err := validator.Validate(ctx, token, jwt.Expected{
		Issuer:            issuer,
		Audiences:         []string{resource},
		SigningAlgorithms: []jwt.Alg{jwt.ES256}, // the default is RS256
		ClockSkewLeeway:   5 * time.Second,      // 0 stands for 60 s
	})
	if err != nil {
		return nil, err
	}
	if _, isBound := claims["cnf"]; isBound {
		return nil, errors.New("bound to a key whose possession is not checked here")
	}
	return claims, nil
}

// #endregion

func judgeByCap(ctx context.Context, mode, issuer, resource string) (judge, error) {
	keys, err := jwt.NewOIDCDiscoveryKeySet(ctx, issuer, "")
	if err != nil {
		return nil, err
	}
	validator, err := jwt.NewValidator(keys)
	if err != nil {
		return nil, err
	}
	expected := jwt.Expected{Issuer: issuer, SigningAlgorithms: []jwt.Alg{jwt.ES256}}
	if mode == "defaults" {
		expected.Audiences = []string{resource}
	}
	return func(ctx context.Context, token string) (string, error) {
		var claims map[string]any
		var err error
		if mode == "guide" {
			claims, err = stepClaims(ctx, keys, issuer, resource, token)
		} else {
			claims, err = validator.Validate(ctx, token, expected)
		}
		if err != nil {
			return "", err
		}
		subject, _ := claims["sub"].(string)
		return subject, nil
	}, nil
}
