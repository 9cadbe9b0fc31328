package stint

import "strings"

// compactJWS is a JWS with the header of a JWT-SVID, taken apart; nothing of it is believed yet.
type compactJWS struct {
	algorithm, keyID string
	// Empty: there is none.
	typ                string
	payload, signature []byte
	// What the signature covers.
	signed string
}

// parseCompactJWS takes a token apart whose header has alg, kid, typ and nothing else.
//
// So no key, URL or critical extension can be brought along by the token itself. Base64url is accepted in its one form.
// See RFC 7515 section 3.1, JWT-SVID section 2.
func parseCompactJWS(token string) (compactJWS, *Refusal) {
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 3 {
		return compactJWS{}, malformed("three base64url parts joined by dots")
	}
	var decoded [3][]byte
	var header map[string]any
	for index, part := range parts {
		isExact, isObject := false, true
		if decoded[index], isExact = bytesOfBase64URL(part); !isExact {
			return compactJWS{}, malformed("base64url without padding or other characters")
		}
		if index == 0 {
			header, isObject = parseStrictObject(decoded[index])
		}
		if !isObject {
			return compactJWS{}, malformed("a JSON object without repeated members as its header")
		}
	}
	for name := range header {
		if name != "alg" && name != "kid" && name != "typ" {
			return compactJWS{}, malformed("no header parameters but alg, kid and typ")
		}
	}
	jws := compactJWS{payload: decoded[1], signature: decoded[2], signed: token[:len(parts[0])+1+len(parts[1])]}
	for _, one := range []struct {
		name string
		into *string
	}{{"alg", &jws.algorithm}, {"kid", &jws.keyID}, {"typ", &jws.typ}} {
		value, isThere := header[one.name]
		if !isThere && one.name == "typ" {
			continue
		}
		text, isText := value.(string)
		if !isText || text == "" {
			return compactJWS{}, malformed("the header parameter " + one.name + " as a string")
		}
		*one.into = text
	}
	return jws, nil
}

// malformed says that what is presented is no JWT-SVID.
func malformed(expected string) *Refusal {
	return refuse(TokenMalformed, "not a JWT-SVID: expected "+expected)
}
