package stint

import (
	"crypto/sha256"
	"strings"

	"stint.example/stint/internal/stintv1"
)

// Of `stint dev`; not believed outside development even of a broker that does not say so.
const developmentTrustDomain = "stint-dev.invalid"

func denialsOf(messages []*stintv1.Denial) ([]denial, *Error) {
	denials := make([]denial, len(messages))
	for index, message := range messages {
		var err *Error
		if denials[index], err = denialOf(message); err != nil {
			return nil, err
		}
	}
	return denials, nil
}

// denialOf takes a denial off the wire.
//
// It fails when the denial names nothing, or nothing that this version knows: what was meant to be denied would be let in.
func denialOf(message *stintv1.Denial) (denial, *Error) {
	keys, err := denyKeysOf(message)
	if err != nil {
		return denial{}, err
	}
	found := denial{keys: keys, reason: message.GetReason(), sequence: message.GetSequence()}
	// A broker sends a state with a credential too, which says nothing of the step: the step may go on.
	if message.GetStep() != nil {
		found.state = stateOf(message.GetState())
	}
	if message.GetForgetAfter() != nil {
		found.forgetAfter = message.GetForgetAfter().AsTime()
	}
	return found, nil
}

func denyKeysOf(message *stintv1.Denial) ([]denyKey, *Error) {
	switch subject := message.GetSubject().(type) {
	case *stintv1.Denial_Step:
		id, digest := subject.Step.GetStepId(), subject.Step.GetSpiffeIdSha256()
		if id == "" || len(digest) != sha256.Size {
			return nil, invalidField("denial.step", "a step id and the SHA-256 of its SPIFFE ID")
		}
		return []denyKey{stepKey(id), spiffeIDHashKey(digest)}, nil
	case *stintv1.Denial_Jwt:
		issuer, jti := subject.Jwt.GetIssuer(), subject.Jwt.GetJti()
		if issuer == "" || jti == "" {
			return nil, invalidField("denial.jwt", "an issuer and a jti")
		}
		return []denyKey{jwtKey(issuer, jti)}, nil
	case *stintv1.Denial_Certificate:
		// No certificate is verified here.
		return nil, nil
	default:
		return nil, invalidField("denial.subject", "a step, a JWT-SVID or a certificate")
	}
}

func stateOf(state stintv1.StepState) string {
	if state == stintv1.StepState_STEP_STATE_UNSPECIFIED {
		return ""
	}
	name, isKnown := stintv1.StepState_name[int32(state)]
	if !isKnown {
		return "UNKNOWN"
	}
	return strings.TrimPrefix(name, "STEP_STATE_")
}

// bundleOf takes the keys of a trust domain off the wire.
//
// A document that is no bundle leaves the trust domain without keys: its SVIDs are refused, those of others are not.
func bundleOf(message *stintv1.WatchResponse_Bundle) (jwtBundle, *Error) {
	named, isID := spiffeIDOf(message.GetTrustDomain())
	if !isID || named.path != "" {
		return jwtBundle{}, invalidField("bundle.trust_domain", "the SPIFFE ID of a trust domain, without a path")
	}
	return jwtBundle{
		trustDomain: named.trustDomain,
		keys:        jwtKeysOf(message.GetJwks()),
		issuer:      message.GetIssuer(),
		development: message.GetDevelopment() || named.trustDomain == developmentTrustDomain,
		federated:   message.GetFederated(),
	}, nil
}
