package stint

import "crypto/sha256"

// Possession is what the presenter of a token has proved to possess: SHA-256 in base64url, empty where nothing was proved.
type Possession struct {
	// X5tS256 is of the certificate of its TLS connection, over which any token may come.
	X5tS256 string
	// JKT is of the key of its DPoP proof, with which only a token that is bound to this key may come.
	JKT string
}

// Confirmation is what a token is bound to, as its cnf has it.
type Confirmation struct {
	// Method is "x5t#S256" or "jkt".
	Method string
	Digest string
}

const (
	byCertificate = "x5t#S256"
	byKey         = "jkt"
)

// confirmationOf checks that the presenter possesses what a token is bound to; nil for a bearer token.
//
// A cnf of an unknown kind, or of several kinds, is refused: the possession that it asks for would go unproved.
// See RFC 7800 section 3.1, RFC 8705 section 3, RFC 9449 sections 6.1 and 7.1.
func confirmationOf(claims map[string]any, presented Possession) (*Confirmation, *Refusal) {
	var bound *Confirmation
	if cnf, isThere := claims["cnf"]; isThere {
		found, refused := confirmationIn(cnf)
		if refused != nil {
			return nil, refused
		}
		bound = found
	}
	if presented.JKT != "" && !bound.isTo(byKey, presented.JKT) {
		return nil, refuse(ProofMismatch, "the token is not bound to the key of the proof")
	}
	switch {
	case bound == nil:
		return nil, nil
	case bound.Method == byKey && presented.JKT == "":
		message := "the token is bound to a key: a DPoP proof of it is required"
		return nil, refuseWith(ProofRequired, message, map[string]string{"proof": "dpop"})
	case bound.Method == byKey:
		return bound, nil
	case presented.X5tS256 == "":
		message := "the token is bound to a certificate: a connection with it is required"
		return nil, refuseWith(ProofRequired, message, map[string]string{"proof": "mtls"})
	case !bound.isTo(byCertificate, presented.X5tS256):
		return nil, refuse(ProofMismatch, "the token is not bound to the certificate of the connection")
	default:
		return bound, nil
	}
}

func confirmationIn(cnf any) (*Confirmation, *Refusal) {
	members, _ := cnf.(map[string]any)
	if len(members) == 1 {
		for _, method := range []string{byCertificate, byKey} {
			digest, _ := members[method].(string)
			if data, isExact := bytesOfBase64URL(digest); isExact && len(data) == sha256.Size {
				return &Confirmation{Method: method, Digest: digest}, nil
			}
		}
	}
	return nil, claimsInvalid("cnf with x5t#S256 or jkt, and nothing else")
}

func (bound *Confirmation) isTo(method, digest string) bool {
	return bound != nil && bound.Method == method && bound.Digest == digest
}
