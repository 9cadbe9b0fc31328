package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"

	"stint.example/stint"
)

type revocationSettings struct {
	Kind        string `json:"kind"`
	Issuer      string `json:"issuer"`
	URL         string `json:"url"`
	Roots       string `json:"roots_file"`
	Certificate string `json:"certificate_file"`
	Key         string `json:"key_file"`
}

// revocationOf takes settings in JSON.
func revocationOf(text string) stint.Revocation {
	var settings revocationSettings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		panic(err)
	}
	if settings.Kind == "status-list" {
		revocation := byStatusLists(settings.Issuer)
		revocation.URL = settings.URL
		return revocation
	}
	revocation := byEvents(settings.Issuer, settings.Certificate, settings.Key)
	revocation.URL, revocation.Roots = settings.URL, x509.NewCertPool()
	if pem, err := os.ReadFile(settings.Roots); err != nil || !revocation.Roots.AppendCertsFromPEM(pem) {
		panic("no roots in " + settings.Roots)
	}
	return revocation
}

// As the guide shows it.
func byStatusLists(issuer string) stint.StatusListRevocation {
	// #region lists
	revocation := stint.StatusListRevocation{Issuer: issuer, TrustDomain: "example.org"}
	// #endregion
	return revocation
}

func byEvents(issuer, certificateFile, keyFile string) stint.PollRevocation {
	// #region poll
	revocation := stint.PollRevocation{
		Issuer: issuer, TrustDomain: "example.org",
		// The verifier's own X.509-SVID as it is now; it is called for each request.
		SVID: func(context.Context) (*tls.Certificate, error) {
			svid, err := tls.LoadX509KeyPair(certificateFile, keyFile)
			return &svid, err
		},
	}
	// #endregion
	return revocation
}
