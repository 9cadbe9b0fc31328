package stint

import (
	"fmt"
	"slices"
	"strings"
)

// verifiedJWTSVID is a JWT-SVID whose signature, subject, audience and times hold. Revocation is not looked at here.
type verifiedJWTSVID struct {
	spiffeID    string
	trustDomain string
	// The verifier's own audience that the token is for.
	audience string
	keyID    string
	// Empty where the token does not say.
	issuer, jti, clientID string
	times                 times
	scopes                []string
	// Empty when the token only identifies.
	grant Grant
	// nil: a bearer token.
	confirmation *Confirmation
	// nil: the subject is no step.
	step   *StepFacts
	claims map[string]any
}

// jwtTerms are what a verifier holds a token to.
type jwtTerms struct {
	bundles bundleSet
	// The verifier's own; one of them must be the token's.
	audiences []string
	// The verifier's clock in Unix seconds, rounded down.
	now int64
	// Accepts trust domains that are for development only.
	development bool
	// Accepts a token that is also for other audiences; it identifies and grants nothing.
	allowSeveralAudiences bool
	// What the presenter has proved to possess.
	possession Possession
}

// verifyJWTSVID verifies a JWT-SVID against bundles: no network, no state.
//
// Before the signature holds, nothing of the token is believed but where to look for its key. Time, with 5 s of leeway: refused from
// exp + 5 on, and before nbf - 5 or iat - 5. A delegation token is refused whatever the audience, and so is all that is for a broker.
// See JWT-SVID sections 2 to 5, RFC 8725 section 3.
func verifyJWTSVID(token string, terms jwtTerms) (*verifiedJWTSVID, *Refusal) {
	if len(token) > jwtPresentedBytesMax {
		return nil, malformed(fmt.Sprintf("a string of at most %d characters", jwtPresentedBytesMax))
	}
	jws, refused := parseCompactJWS(token)
	if refused != nil {
		return nil, refused
	}
	if jws.typ != "" && jws.typ != "JWT" && jws.typ != "JOSE" {
		return nil, malformed("typ JWT or JOSE, or none")
	}
	claims, isObject := parseStrictObject(jws.payload)
	if !isObject {
		return nil, malformed("a JSON object without repeated members as its claims")
	}
	id, refused := subjectOf(claims)
	if refused != nil {
		return nil, refused
	}
	if refused := checkSignature(jws, id, terms); refused != nil {
		return nil, refused
	}
	verified, refused := readClaims(claims, id, terms)
	if refused != nil {
		return nil, refused
	}
	verified.keyID = jws.keyID
	if _, isThere := claims["may_act"]; isThere {
		return nil, claimsInvalid("no may_act: a delegation token is for its broker")
	}
	if isBrokerAudience(verified.audience) {
		return nil, refuse(AudienceMismatch, "the token is for a broker")
	}
	return verified, nil
}

// readClaims reads what the claims say, in the order in which they are refused.
func readClaims(claims map[string]any, id spiffeID, terms jwtTerms) (*verifiedJWTSVID, *Refusal) {
	svid := &verifiedJWTSVID{spiffeID: id.text, trustDomain: id.trustDomain, claims: claims}
	var refused *Refusal
	if svid.times, refused = timesOf(claims, terms.now); refused != nil {
		return nil, refused
	}
	if svid.audience, refused = audienceOf(claims, terms.audiences, terms.allowSeveralAudiences); refused != nil {
		return nil, refused
	}
	if svid.issuer, refused = optionalText(claims, "iss"); refused != nil {
		return nil, refused
	}
	if refused = checkIssuer(svid.issuer, id.trustDomain, terms.bundles); refused != nil {
		return nil, refused
	}
	if svid.confirmation, refused = confirmationOf(claims, terms.possession); refused != nil {
		return nil, refused
	}
	if svid.step, refused = stepFactsOf(claims, id); refused != nil {
		return nil, refused
	}
	if svid.jti, refused = optionalText(claims, "jti"); refused != nil {
		return nil, refused
	}
	if svid.clientID, refused = optionalText(claims, "client_id"); refused != nil {
		return nil, refused
	}
	if svid.scopes, refused = scopesOf(claims); refused != nil {
		return nil, refused
	}
	svid.grant, refused = grantOf(claims)
	return svid, refused
}

// checkSignature looks up the key by trust domain first and by kid second, so that none can sign for another's names.
func checkSignature(jws compactJWS, id spiffeID, terms jwtTerms) *Refusal {
	if !isKnownAlgorithm(jws.algorithm) {
		return refuse(AlgorithmRefused, "the algorithm is none that SVIDs may be signed with")
	}
	bundle, isKnown := terms.bundles[id.trustDomain]
	if !isKnown {
		return refuse(KeyUnknown, "the subject is of a trust domain that is not known here")
	}
	if bundle.development && !terms.development {
		return refuse(KeyUnknown, "the subject is of a trust domain that is for development only")
	}
	key, isKnown := bundle.keys[jws.keyID]
	if !isKnown {
		return refuse(KeyUnknown, "the key is none of those of the trust domain of the subject")
	}
	if !slices.Contains(key.algorithms, jws.algorithm) {
		return refuse(AlgorithmRefused, "the algorithm is not one of the key")
	}
	if !key.verifies(jws.algorithm, jws.signed, jws.signature) {
		return refuse(SignatureInvalid, "the signature does not hold")
	}
	return nil
}

// checkIssuer: where a trust domain's issuer is not known, iss may be any but the known issuer of another trust domain.
func checkIssuer(issuer, trustDomain string, bundles bundleSet) *Refusal {
	expected := bundles[trustDomain].issuer
	isAnothers := false
	for name, other := range bundles {
		isAnothers = isAnothers || (issuer != "" && name != trustDomain && other.issuer == issuer)
	}
	if isAnothers || (expected != "" && issuer != expected) {
		return refuse(IssuerMismatch, "the issuer is not the one of the trust domain")
	}
	return nil
}

// isBrokerAudience says whether an audience is a broker's, of any trust domain; nobody else may answer for it.
func isBrokerAudience(audience string) bool {
	return strings.HasPrefix(audience, "spiffe://") && strings.HasSuffix(audience, "/stint/server") &&
		strings.Count(audience, "/") == 4
}
