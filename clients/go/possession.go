package stint

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// PossessionOf is what whoever sends a request has proved by the TLS connection that ends here: whoever has made it with a certificate has
// that certificate's key, whoever has signed the certificate. For a server that asks for certificates ([crypto/tls.RequestClientCert]).
//
// See RFC 8705 section 3.
func PossessionOf(request *http.Request) Possession {
	if request.TLS == nil || len(request.TLS.PeerCertificates) == 0 {
		return Possession{}
	}
	digest := sha256.Sum256(request.TLS.PeerCertificates[0].Raw)
	return Possession{X5tS256: base64.RawURLEncoding.EncodeToString(digest[:])}
}
