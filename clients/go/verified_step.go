package stint

// VerifiedStep is a step whose JWT-SVID holds, and was not denied when it was verified; comes from [Verifier.Verify] alone.
//
// The token itself is not among it: a server could only pass it on, and the server that it were passed to could then act as the step
// here.
type VerifiedStep struct {
	SPIFFEID    string
	TrustDomain string
	// Audience is the verifier's own audience that the token is for.
	Audience string
	Issuer   string
	JTI      string
	// ExpiresAt is in Unix seconds, exclusive; accepted for 5 s more.
	ExpiresAt int64
	Scopes    []string
	// Grant is empty for a step of a foreign trust domain, unless the verifier takes its grants.
	Grant Grant
	Step  StepFacts
	// Confirmation is what the token is bound to, and was presented with. nil: a bearer token.
	Confirmation *Confirmation
	// Federated: of a foreign trust domain; nothing is known here of its end.
	Federated bool
	// Claims are all claims as they came.
	Claims map[string]any

	// Every name by which the step or its credential can be denied.
	denyKeys []denyKey
	verifier *Verifier
	// What the broker is asked about. A function, so that no print of a step shows it.
	token func() string
}

// verifiedStepOf makes one of a verified JWT-SVID, or refuses it when it lacks a name by which it could be denied.
func (verifier *Verifier) verifiedStepOf(svid *verifiedJWTSVID, token string, isFederated bool) (*VerifiedStep, *Refusal) {
	if svid.issuer == "" || svid.jti == "" || svid.step == nil {
		return nil, claimsInvalid("iss, jti and the facts of a step")
	}
	step := &VerifiedStep{
		SPIFFEID: svid.spiffeID, TrustDomain: svid.trustDomain, Audience: svid.audience, Issuer: svid.issuer, JTI: svid.jti,
		ExpiresAt: svid.times.expiresAt, Step: *svid.step, Confirmation: svid.confirmation, Federated: isFederated,
		Claims:   svid.claims,
		denyKeys: []denyKey{stepKey(svid.step.StepID), spiffeIDKey(svid.spiffeID), jwtKey(svid.issuer, svid.jti)},
		verifier: verifier,
		token:    func() string { return token },
	}
	if verifier.takesGrantsOf(step) {
		step.Scopes, step.Grant = svid.scopes, svid.grant
	}
	return step, nil
}
