package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
)

// #region verify
// bundleOf fetches the broker's keys from <issuer>/spiffe-bundle.json. /jwks.json is for the package jwtbundle.
func bundleOf(trustDomain spiffeid.TrustDomain, url string) (*spiffebundle.Bundle, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return spiffebundle.Read(trustDomain, answer.Body)
}

// svidOf verifies a step's JWT-SVID for this server.
func svidOf(token string, bundles jwtbundle.Source, issuer, resource string) (*jwtsvid.SVID, error) {
	svid, err := jwtsvid.ParseAndValidate(token, bundles, []string{resource})
	if err != nil {
		return nil, err
	}
	if svid.Claims["iss"] != issuer {
		return nil, errors.New("another issuer's")
	}
	// The library takes it for a minute longer, and has no setting for that.
	if !time.Now().Before(svid.Expiry.Add(5 * time.Second)) {
		return nil, errors.New("expired")
	}
	if _, isBound := svid.Claims["cnf"]; isBound {
		return nil, errors.New("bound to a key whose possession is not checked here")
	}
	return svid, nil
}

// #endregion

func judgeByGoSPIFFE(_ context.Context, mode, issuer, resource string) (judge, error) {
	trustDomain := spiffeid.RequireTrustDomainFromString("example.org")
	var bundles jwtbundle.Source
	var err error
	if mode == "guide" {
		bundles, err = bundleOf(trustDomain, issuer+cmp.Or(os.Getenv("KEYS"), "/spiffe-bundle.json"))
	} else {
		bundles, err = keySetOf(trustDomain, issuer+cmp.Or(os.Getenv("KEYS"), "/jwks.json"))
	}
	if err != nil {
		return nil, err
	}
	audience := []string{resource}
	if mode == "no audience" {
		audience = nil
	}
	return func(_ context.Context, token string) (string, error) {
		var svid *jwtsvid.SVID
		var err error
		if mode == "guide" {
			svid, err = svidOf(token, bundles, issuer, resource)
		} else {
			svid, err = jwtsvid.ParseAndValidate(token, bundles, audience)
		}
		if err != nil {
			return "", err
		}
		return svid.ID.String(), nil
	}, nil
}

func keySetOf(trustDomain spiffeid.TrustDomain, url string) (*jwtbundle.Bundle, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return jwtbundle.Read(trustDomain, answer.Body)
}
