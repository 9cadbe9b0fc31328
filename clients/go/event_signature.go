package stint

import "slices"

// eventKeys sign lists and events, by kid.
type eventKeys map[string]verificationKey

// checkSignature says whether a JWS is signed with ES256, by the key that it names. what it is, is for people.
func (keys eventKeys) checkSignature(jws jwsParts, algorithm, what string, malformed func(expected string) *Refusal) *Refusal {
	if algorithm != "ES256" {
		return refuse(AlgorithmRefused, "the "+what+" is not signed with ES256")
	}
	kid, refused := jws.headerText("kid", malformed)
	if refused != nil {
		return refused
	}
	key, isKnown := keys[kid]
	if !isKnown {
		return refuse(KeyUnknown, "the "+what+" is signed with a key that is none of its issuer")
	}
	if !slices.Contains(key.algorithms, algorithm) || !key.verifies(algorithm, jws.signed, jws.signature) {
		return refuse(SignatureInvalid, "the signature of the "+what+" does not hold")
	}
	return nil
}
