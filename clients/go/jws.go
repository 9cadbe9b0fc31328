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

// jwsParts are those of a JWS of any kind.
type jwsParts struct {
	header             map[string]any
	payload, signature []byte
	// What the signature covers.
	signed string
}

// splitJWS takes a JWS in compact serialization apart. Base64url is accepted in its one form. See RFC 7515 section 3.1.
func splitJWS(token string, refuse func(expected string) *Refusal) (jwsParts, *Refusal) {
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 3 {
		return jwsParts{}, refuse("three base64url parts joined by dots")
	}
	var decoded [3][]byte
	var header map[string]any
	for index, part := range parts {
		isExact, isObject := false, true
		if decoded[index], isExact = bytesOfBase64URL(part); !isExact {
			return jwsParts{}, refuse("base64url without padding or other characters")
		}
		if index == 0 {
			header, isObject = parseStrictObject(decoded[index])
		}
		if !isObject {
			return jwsParts{}, refuse("a JSON object without repeated members as its header")
		}
	}
	signed := token[:len(parts[0])+1+len(parts[1])]
	return jwsParts{header: header, payload: decoded[1], signature: decoded[2], signed: signed}, nil
}

// typedClaims gives the algorithm and the claims of a JWS of an explicit type; neither is believed yet.
//
// Its header may hold parameters that are not looked at here, but no critical ones, since those must not be passed over. See RFC 7515
// section 4.1.11, RFC 8725 section 3.11.
func (jws jwsParts) typedClaims(typ string, refuse func(expected string) *Refusal) (string, map[string]any, *Refusal) {
	if jws.header["typ"] != typ {
		return "", nil, refuse("typ " + typ)
	}
	if _, isThere := jws.header["crit"]; isThere {
		return "", nil, refuse("no critical header parameters")
	}
	algorithm, refused := jws.headerText("alg", refuse)
	if refused != nil {
		return "", nil, refused
	}
	claims, isObject := parseStrictObject(jws.payload)
	if !isObject {
		return "", nil, refuse("a JSON object without repeated members as its claims")
	}
	return algorithm, claims, nil
}

// headerText gives a header parameter that must be there.
func (jws jwsParts) headerText(name string, refuse func(expected string) *Refusal) (string, *Refusal) {
	text, _ := jws.header[name].(string)
	if text == "" {
		return "", refuse("the header parameter " + name + " as a string")
	}
	return text, nil
}

// parseCompactJWS takes a token apart whose header has alg, kid, typ and nothing else.
//
// So no key, URL or critical extension can be brought along by the token itself. See JWT-SVID section 2.
func parseCompactJWS(token string) (compactJWS, *Refusal) {
	parts, refused := splitJWS(token, malformed)
	if refused != nil {
		return compactJWS{}, refused
	}
	for name := range parts.header {
		if name != "alg" && name != "kid" && name != "typ" {
			return compactJWS{}, malformed("no header parameters but alg, kid and typ")
		}
	}
	jws := compactJWS{payload: parts.payload, signature: parts.signature, signed: parts.signed}
	for _, one := range []struct {
		name string
		into *string
	}{{"alg", &jws.algorithm}, {"kid", &jws.keyID}, {"typ", &jws.typ}} {
		if _, isThere := parts.header[one.name]; !isThere && one.name == "typ" {
			continue
		}
		if *one.into, refused = parts.headerText(one.name, malformed); refused != nil {
			return compactJWS{}, refused
		}
	}
	return jws, nil
}

// malformed says that what is presented is no JWT-SVID.
func malformed(expected string) *Refusal {
	return refuse(TokenMalformed, "not a JWT-SVID: expected "+expected)
}
