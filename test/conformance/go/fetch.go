package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/exp/svid/witsvid"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// An svid is what go-spiffe made of one, after it verified it against the bundles that it was given.
type svid struct {
	ID       string         `json:"id"`
	Hint     string         `json:"hint"`
	Serial   string         `json:"serial,omitempty"`
	NotAfter int64          `json:"not_after,omitempty"`
	Token    string         `json:"token,omitempty"`
	Claims   map[string]any `json:"claims,omitempty"`
}

// Every X.509-SVID that there is, each verified against the X.509 bundles.
func (w *workload) fetchX509(ctx context.Context) (any, error) {
	svids, err := w.client.FetchX509SVIDs(ctx)
	if err != nil {
		return nil, err
	}
	bundles, err := w.client.FetchX509Bundles(ctx)
	if err != nil {
		return nil, err
	}
	found := []svid{}
	for _, one := range svids {
		id, _, err := x509svid.Verify(one.Certificates, bundles)
		if err != nil {
			return nil, fmt.Errorf("%s does not verify: %w", one.ID, err)
		}
		found = append(found, x509Of(one, id))
	}
	return found, nil
}

func x509Of(one *x509svid.SVID, id spiffeid.ID) svid {
	leaf := one.Certificates[0]
	return svid{ID: id.String(), Hint: one.Hint, Serial: leaf.SerialNumber.Text(16), NotAfter: leaf.NotAfter.Unix()}
}

func paramsOf(o order) (jwtsvid.Params, error) {
	if len(o.Audience) == 0 {
		return jwtsvid.Params{}, errors.New("no audience")
	}
	params := jwtsvid.Params{Audience: o.Audience[0], ExtraAudiences: o.Audience[1:]}
	if o.SpiffeID != "" {
		subject, err := spiffeid.FromString(o.SpiffeID)
		if err != nil {
			return params, err
		}
		params.Subject = subject
	}
	return params, nil
}

// Every JWT-SVID that there is for the audience, each verified against the JWT bundles.
func (w *workload) fetchJWT(ctx context.Context, o order) (any, error) {
	params, err := paramsOf(o)
	if err != nil {
		return nil, err
	}
	svids, err := w.client.FetchJWTSVIDs(ctx, params)
	if err != nil {
		return nil, err
	}
	bundles, err := w.client.FetchJWTBundles(ctx)
	if err != nil {
		return nil, err
	}
	found := []svid{}
	for _, one := range svids {
		verified, err := jwtsvid.ParseAndValidate(one.Marshal(), bundles, o.Audience)
		if err != nil {
			return nil, fmt.Errorf("%s does not verify: %w", one.ID, err)
		}
		found = append(found, svid{ID: verified.ID.String(), Hint: one.Hint, Token: one.Marshal(), Claims: verified.Claims})
	}
	return found, nil
}

func (w *workload) validate(ctx context.Context, o order) (any, error) {
	verified, err := w.client.ValidateJWTSVID(ctx, o.Token, o.Audience[0])
	if err != nil {
		return nil, err
	}
	return svid{ID: verified.ID.String(), Claims: verified.Claims}, nil
}

// By a source, as a program that runs for long uses it: it keeps the bundles, and fetches a JWT-SVID for each use.
func (w *workload) fromJWTSource(ctx context.Context, o order) (any, error) {
	params, err := paramsOf(o)
	if err != nil {
		return nil, err
	}
	source, err := workloadapi.NewJWTSource(ctx, w.option)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	one, err := source.FetchJWTSVID(ctx, params)
	if err != nil {
		return nil, err
	}
	verified, err := jwtsvid.ParseAndValidate(one.Marshal(), source, o.Audience)
	if err != nil {
		return nil, err
	}
	return svid{ID: verified.ID.String(), Hint: one.Hint, Claims: verified.Claims}, nil
}

// Every WIT-SVID, each verified against the WIT bundles, and its private key with what it is bound to.
func (w *workload) fetchWIT(ctx context.Context, o order) (any, error) {
	svids, err := w.client.FetchWITSVIDs(ctx, o.SpiffeID)
	if err != nil {
		return nil, err
	}
	bundles, err := w.client.FetchWITBundles(ctx)
	if err != nil {
		return nil, err
	}
	found := []svid{}
	for _, one := range svids {
		verified, err := witsvid.ParseAndValidate(one.Marshal(), bundles)
		if err != nil {
			return nil, fmt.Errorf("%s does not verify: %w", one.ID, err)
		}
		if err := isPair(one.PrivateKey, verified.PublicKey); err != nil {
			return nil, err
		}
		found = append(found, svid{ID: verified.ID.String(), Hint: one.Hint, Token: one.Marshal()})
	}
	return found, nil
}

func isPair(private crypto.PrivateKey, public crypto.PublicKey) error {
	key, isECDSA := private.(*ecdsa.PrivateKey)
	if !isECDSA || !key.PublicKey.Equal(public) {
		return errors.New("the private key is not the one that the WIT-SVID is bound to")
	}
	return nil
}
