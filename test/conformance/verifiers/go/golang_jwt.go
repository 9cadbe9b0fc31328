package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// #region verify
// newStepParser gives a parser of steps' JWT-SVIDs for this server, and the keys to parse with.
func newStepParser(ctx context.Context, issuer, resource string) (*jwt.Parser, jwt.Keyfunc, error) {
	refuseToStart := false
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{issuer + "/jwks.json"}, keyfunc.Override{
		// A key that was withdrawn is believed for this long. The default is an hour.
		RefreshInterval: time.Minute,
		// By default it starts without keys where it can't fetch any.
		NoErrorReturnFirstHTTPReq: &refuseToStart,
	})
	if err != nil {
		return nil, nil, err
	}
	return jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(resource), // without it, a token for any server is taken
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(5*time.Second),
	), keys.Keyfunc, nil
}

func claimsOf(parser *jwt.Parser, keys jwt.Keyfunc, token string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	if _, err := parser.ParseWithClaims(token, claims, keys); err != nil {
		return nil, err
	}
	if _, isBound := claims["cnf"]; isBound {
		return nil, errors.New("bound to a key whose possession is not checked here")
	}
	return claims, nil
}

// #endregion

func judgeByGolangJWT(ctx context.Context, mode, issuer, resource string) (judge, error) {
	if mode == "guide" {
		parser, keys, err := newStepParser(ctx, issuer, resource)
		return func(_ context.Context, token string) (string, error) {
			claims, err := claimsOf(parser, keys, token)
			if err != nil {
				return "", err
			}
			return claims.GetSubject()
		}, err
	}
	path := cmp.Or(os.Getenv("KEYS"), "/jwks.json")
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{issuer + path})
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{jwt.WithIssuer(issuer)}
	if mode != "no audience" {
		options = append(options, jwt.WithAudience(resource))
	}
	return func(_ context.Context, token string) (string, error) {
		parsed, err := jwt.Parse(token, keys.Keyfunc, options...)
		if err != nil {
			return "", err
		}
		return parsed.Claims.GetSubject()
	}, nil
}
