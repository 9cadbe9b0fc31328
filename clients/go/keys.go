package stint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"math/big"
)

type ecdsaTerms struct {
	curve string
	hash  crypto.Hash
}

// Neither "none" nor a symmetric algorithm is in these tables. See JWT-SVID section 2.1, RFC 7518 section 3.1.
var (
	ecdsaOf = map[string]ecdsaTerms{
		"ES256": {"P-256", crypto.SHA256},
		"ES384": {"P-384", crypto.SHA384},
		"ES512": {"P-521", crypto.SHA512},
	}
	rsaOf = map[string]crypto.Hash{
		"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512,
		"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512,
	}
	curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
)

// Algorithms are those that SVIDs and proofs may be signed with.
func Algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
}

func isKnownAlgorithm(name string) bool {
	_, isECDSA := ecdsaOf[name]
	_, isRSA := rsaOf[name]
	return isECDSA || isRSA
}

// verificationKey is a key, ready to verify with, and the algorithms that it may be used with.
type verificationKey struct {
	// *ecdsa.PublicKey or *rsa.PublicKey.
	key        crypto.PublicKey
	algorithms []string
}

// verifies says whether a JWS signature holds; the algorithm is one of the key's. See RFC 7518 sections 3.3 to 3.5.
func (one verificationKey) verifies(algorithm, signed string, signature []byte) bool {
	switch key := one.key.(type) {
	case *ecdsa.PublicKey:
		length := scalarBytes(key.Curve)
		if len(signature) != 2*length {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:length]), new(big.Int).SetBytes(signature[length:])
		return ecdsa.Verify(key, digestOf(ecdsaOf[algorithm].hash, signed), r, s)
	case *rsa.PublicKey:
		hash := rsaOf[algorithm]
		if algorithm[0] == 'R' {
			return rsa.VerifyPKCS1v15(key, hash, digestOf(hash, signed), signature) == nil
		}
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(key, hash, digestOf(hash, signed), signature, options) == nil
	default:
		return false
	}
}

func scalarBytes(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }

func digestOf(hash crypto.Hash, signed string) []byte {
	hasher := hash.New()
	hasher.Write([]byte(signed))
	return hasher.Sum(nil)
}
