package main

import (
	"context"
	"slices"

	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// The bundle that a bundle endpoint of the profile https_spiffe gives to whoever has the trust domain's authorities.
func (w *workload) fetchBundle(ctx context.Context, o order) (any, error) {
	source, err := workloadapi.NewBundleSource(ctx, w.option)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	id, err := spiffeid.FromString(o.SpiffeID)
	if err != nil {
		return nil, err
	}
	bundle, err := federation.FetchBundle(ctx, id.TrustDomain(), o.Address, federation.WithSPIFFEAuth(source, id))
	if err != nil {
		return nil, err
	}
	sequence, _ := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	return map[string]any{
		"x509":         len(bundle.X509Authorities()),
		"jwt":          len(bundle.JWTAuthorities()),
		"sequence":     sequence,
		"refresh_hint": hint.Seconds(),
	}, nil
}

// The trust domains whose X.509 bundles the workload was given.
func (w *workload) trustDomains(ctx context.Context) (any, error) {
	bundles, err := w.client.FetchX509Bundles(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, bundle := range bundles.Bundles() {
		names = append(names, bundle.TrustDomain().Name())
	}
	slices.Sort(names)
	return names, nil
}
