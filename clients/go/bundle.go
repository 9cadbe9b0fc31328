package stint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"math"
	"math/big"
	"slices"
)

const (
	rsaModulusBitsMin = 2_048
	// Verifying with a larger modulus costs so much that a bundle could stall its verifiers.
	rsaModulusBitsMax = 8_192
	// Most forgeries of PKCS#1 signatures have exploited a smaller exponent.
	rsaExponentMin = 65_537
	// Go's own bound.
	rsaExponentMax = math.MaxInt32

	// Other readers have exact whole numbers up to here.
	countMax = 1<<53 - 1
)

// jwtBundle is what verifies the tokens of one trust domain.
type jwtBundle struct {
	trustDomain string
	// By kid. Empty: nothing of this trust domain is to be believed.
	keys map[string]verificationKey
	// What iss must be; empty where the trust domain has no single issuer.
	issuer string
	// Of a throw-away broker, whose keys anybody may have made.
	development bool
	// Of a foreign trust domain: what ends there is not told here.
	federated bool
}

// bundleSet has bundles by their trust domain; a key is looked up in its own trust domain's bundle and in no other.
type bundleSet map[string]jwtBundle

// jwtKeysOf gives the keys of JWT-SVIDs in a SPIFFE bundle document, by kid; none where keysOf makes nothing of it.
func jwtKeysOf(document []byte) map[string]verificationKey {
	keys, _ := keysOf(document, "jwt-svid")
	return keys
}

// keysOf gives the keys that are for one use in a SPIFFE bundle document or another JWK set, by kid.
//
// Elements whose use or kty is unknown are passed over, as the standard asks; anything else that departs from the standard makes the
// whole document unusable: false, and no key. A key that is too weak, or for an algorithm that SVIDs may not have, is left out.
// See SPIFFE Trust Domain and Bundle section 4, RFC 7517 section 5.
func keysOf(document []byte, use string) (map[string]verificationKey, bool) {
	keys := map[string]verificationKey{}
	jwks, isUsable := jwksIn(document, use)
	for kid, jwk := range jwks {
		if key, isAccepted := verificationKeyOf(jwk); isAccepted {
			keys[kid] = key
		}
	}
	return keys, isUsable
}

func jwksIn(document []byte, wanted string) (map[string]map[string]any, bool) {
	members, isObject := parseStrictObject(document)
	elements, isList := members["keys"].([]any)
	if !isObject || !isList || !isCount(members, "spiffe_sequence") || !isCount(members, "spiffe_refresh_hint") {
		return nil, false
	}
	seen, found := map[string]bool{}, map[string]map[string]any{}
	for _, element := range elements {
		jwk, isObject := element.(map[string]any)
		if !isObject {
			return nil, false
		}
		if jwk["kty"] != "EC" && jwk["kty"] != "RSA" {
			continue
		}
		switch jwk["use"] {
		case "x509-svid":
			if !hasCertificate(jwk) {
				return nil, false
			}
		case "jwt-svid", "wit-svid", wanted:
			kid, isJWK := kidOf(jwk)
			// Two keys with one kid would make the key that a token means depend on the reader.
			if !isJWK || seen[kid] {
				return nil, false
			}
			seen[kid] = true
			if jwk["use"] == wanted {
				found[kid] = jwk
			}
		}
	}
	return found, true
}

func isCount(members map[string]any, name string) bool {
	value, isThere := members[name]
	count, isWhole := wholeNumberOf(value)
	return !isThere || (isWhole && count >= 0 && count <= countMax)
}

func hasCertificate(jwk map[string]any) bool {
	value, isThere := jwk["x5c"]
	if !isThere {
		return true
	}
	chain, _ := value.([]any)
	if len(chain) == 0 {
		return false
	}
	first, _ := chain[0].(string)
	data, isExact := bytesOfBase64(first)
	return isExact && len(data) > 0
}

func kidOf(jwk map[string]any) (string, bool) {
	if _, isPrivate := jwk["d"]; isPrivate {
		return "", false
	}
	names, numbers := []string{"kid"}, []string{"n", "e"}
	if jwk["kty"] == "EC" {
		names, numbers = append(names, "crv"), []string{"x", "y"}
	}
	if _, isThere := jwk["alg"]; isThere {
		names = append(names, "alg")
	}
	for _, name := range slices.Concat(names, numbers) {
		if text, _ := jwk[name].(string); text == "" {
			return "", false
		}
	}
	for _, name := range numbers {
		if _, isExact := bytesOfBase64URL(jwk[name].(string)); !isExact {
			return "", false
		}
	}
	return jwk["kid"].(string), true
}

// verificationKeyOf takes a JWK that kidOf has checked.
func verificationKeyOf(jwk map[string]any) (verificationKey, bool) {
	key, algorithms := publicKeyOf(jwk)
	// The algorithms follow from the key; the bundle's alg can only narrow them.
	if alg, isThere := jwk["alg"].(string); isThere {
		algorithms = slices.DeleteFunc(algorithms, func(name string) bool { return name != alg })
	}
	return verificationKey{key: key, algorithms: algorithms}, len(algorithms) > 0
}

func publicKeyOf(jwk map[string]any) (crypto.PublicKey, []string) {
	if jwk["kty"] == "RSA" {
		n, e := numberOf(jwk, "n"), numberOf(jwk, "e")
		isAccepted := n.BitLen() >= rsaModulusBitsMin && n.BitLen() <= rsaModulusBitsMax &&
			e.IsInt64() && e.Int64() >= rsaExponentMin && e.Int64() <= rsaExponentMax
		if !isAccepted {
			return nil, nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	}
	curve, isKnown := curves[jwk["crv"].(string)]
	if !isKnown {
		return nil, nil
	}
	x, y, length := numberOf(jwk, "x"), numberOf(jwk, "y"), scalarBytes(curve)
	if x.BitLen() > 8*length || y.BitLen() > 8*length {
		return nil, nil
	}
	point := slices.Concat([]byte{4}, x.FillBytes(make([]byte, length)), y.FillBytes(make([]byte, length)))
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, nil
	}
	for name, terms := range ecdsaOf {
		if terms.curve == jwk["crv"] {
			return key, []string{name}
		}
	}
	return nil, nil
}

func numberOf(jwk map[string]any, name string) *big.Int {
	data, _ := bytesOfBase64URL(jwk[name].(string))
	return new(big.Int).SetBytes(data)
}
