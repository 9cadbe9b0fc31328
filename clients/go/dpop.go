package stint

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	// How long ago a proof may have been made.
	dpopAgeSecondsMax = 60
	// A client's clock may be ahead; less than its proofs may be late, since it costs nothing to send one later.
	dpopAheadSecondsMax = 5
	// Longer than any UUID or random number in any encoding; a longer jti was made to cost memory.
	proofIDLengthMax = 256
)

// RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// dpopProof is taken apart; it is not shown yet that its sender has the key.
type dpopProof struct {
	key       verificationKey
	algorithm string
	// The key's thumbprint: RFC 7638 with SHA-256.
	jkt       string
	claims    map[string]any
	signed    string
	signature []byte
}

// parseDPoPProof takes the value of a DPoP header apart. See RFC 9449 section 4.2.
func parseDPoPProof(text string) (*dpopProof, *Refusal) {
	if len(text) > jwtPresentedBytesMax {
		return nil, proofInvalid(fmt.Sprintf("a string of at most %d characters", jwtPresentedBytesMax))
	}
	if strings.Contains(text, ",") {
		return nil, proofInvalid("a single one")
	}
	jws, refused := splitJWS(text, proofInvalid)
	if refused != nil {
		return nil, refused
	}
	algorithm, claims, refused := jws.typedClaims("dpop+jwt", proofInvalid)
	if refused != nil {
		return nil, refused
	}
	key, refused := proofKeyOf(jws.header["jwk"], algorithm)
	if refused != nil {
		return nil, refused
	}
	return &dpopProof{
		key: key, algorithm: algorithm, jkt: thumbprintOf(key), claims: claims, signed: jws.signed, signature: jws.signature,
	}, nil
}

// RequestProof is a DPoP proof, and the request that it came with.
type RequestProof struct {
	// Proof is the value of the DPoP header.
	Proof string
	// Method is that of the request.
	Method string
	// URL is as the client wrote it: behind a proxy the public one. Without query and fragment.
	URL string
}

// verify says whether a proof shows possession of its key, for this request and this token, now; it gives the proof's jti. It is left to
// a replayCache to tell whether the proof was used before. See RFC 9449 section 4.3.
func (proof *dpopProof) verify(request RequestProof, token string, now int64) (string, *Refusal) {
	if !proof.key.verifies(proof.algorithm, proof.signed, proof.signature) {
		return "", proofInvalid("a signature by the key in its header")
	}
	if proof.claims["htm"] != request.Method {
		return "", proofInvalid("htm as the method of the request")
	}
	htu, _ := proof.claims["htu"].(string)
	target, isTarget := normalizeTargetURI(request.URL)
	if given, isURI := normalizeTargetURI(htu); !isTarget || !isURI || given != target {
		return "", proofInvalid("htu as the URI of the request, without query and fragment")
	}
	digest := sha256.Sum256([]byte(token))
	if proof.claims["ath"] != base64.RawURLEncoding.EncodeToString(digest[:]) {
		return "", proofInvalid("ath as the hash of the access token")
	}
	issuedAt, isWhole := wholeNumberOf(proof.claims["iat"])
	if !isWhole || issuedAt < 0 || issuedAt > numericDateMax {
		return "", proofInvalid("iat as whole seconds since 1970")
	}
	if now > int64(issuedAt)+dpopAgeSecondsMax {
		return "", proofInvalid("one that was made just now; this one is old")
	}
	if now < int64(issuedAt)-dpopAheadSecondsMax {
		return "", proofInvalid("one that was made just now; its iat is ahead")
	}
	jti, _ := proof.claims["jti"].(string)
	if jti == "" || len([]rune(jti)) > proofIDLengthMax {
		return "", proofInvalid(fmt.Sprintf("jti as a string of at most %d characters", proofIDLengthMax))
	}
	return jti, nil
}

func proofKeyOf(value any, algorithm string) (verificationKey, *Refusal) {
	jwk, isObject := value.(map[string]any)
	if !isObject {
		return verificationKey{}, proofInvalid("a JWK")
	}
	for _, name := range privateMembers {
		if _, isThere := jwk[name]; isThere {
			return verificationKey{}, proofInvalid("a public JWK; this one is private, and to be replaced")
		}
	}
	names := map[any][]string{"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}}[jwk["kty"]]
	public := map[string]any{"kty": jwk["kty"]}
	isWhole := len(names) > 0
	for _, name := range names {
		text, _ := jwk[name].(string)
		_, isExact := bytesOfBase64URL(text)
		isWhole = isWhole && text != "" && (isExact || name == "crv")
		public[name] = text
	}
	if isWhole {
		if key, isAccepted := verificationKeyOf(public); isAccepted && slices.Contains(key.algorithms, algorithm) {
			return key, nil
		}
	}
	return verificationKey{}, proofInvalid("a JWK for one of the algorithms of SVIDs")
}

// thumbprintOf is over the key's values and not over a JWK's text, so that a key has only one. See RFC 7638 section 3.
func thumbprintOf(one verificationKey) string {
	text := ""
	switch key := one.key.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return ""
		}
		length := scalarBytes(key.Curve)
		x, y := base64.RawURLEncoding.EncodeToString(point[1:1+length]), base64.RawURLEncoding.EncodeToString(point[1+length:])
		text = `{"crv":"` + key.Curve.Params().Name + `","kty":"EC","x":"` + x + `","y":"` + y + `"}`
	case *rsa.PublicKey:
		e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())
		text = `{"e":"` + e + `","kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(key.N.Bytes()) + `"}`
	}
	digest := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

func proofInvalid(expected string) *Refusal {
	return refuse(ProofInvalid, "not a DPoP proof: expected "+expected)
}
