package stint

import "time"

const (
	sessionRevoked    = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	credentialChange  = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	streamVerified    = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	deniedAfterExpiry = leewaySeconds*time.Second + clockSkewMax
	// After the end of a step nothing is issued for it, so this long after it no credential of it could be valid.
	eventRemembered = svidTTLMax + deniedAfterExpiry
)

// securityEvent is of a token whose signature and claims hold.
type securityEvent struct {
	jti      string
	issuedAt time.Time
	// The URI that names it.
	event         string
	said, subject map[string]any
}

// verifySecurityEvent verifies a security event token with one event, for the audience of the receiver's stream.
//
// How old it is is not looked at: what was not received yet is sent again. See RFC 8417 section 2, SSF 1.0 section 4.
func verifySecurityEvent(text string, keys eventKeys, issuer, audience string) (*securityEvent, *Refusal) {
	jws, refused := splitJWS(text, notAnEvent)
	if refused != nil {
		return nil, refused
	}
	algorithm, claims, refused := jws.typedClaims("secevent+jwt", notAnEvent)
	if refused != nil {
		return nil, refused
	}
	if refused := keys.checkSignature(jws, algorithm, "security event", notAnEvent); refused != nil {
		return nil, refused
	}
	if claims["iss"] != issuer {
		return nil, refuse(IssuerMismatch, "the security event is of another issuer")
	}
	if claims["aud"] != audience {
		return nil, refuse(AudienceMismatch, "the security event is for another receiver")
	}
	found := &securityEvent{}
	issuedAt, isMade := numericDateOf(claims["iat"])
	found.issuedAt = time.Unix(issuedAt, 0)
	found.jti, _ = claims["jti"].(string)
	subject, hasSubject := claims["sub_id"].(map[string]any)
	events, _ := claims["events"].(map[string]any)
	found.subject = subject
	isWhole := false
	for name, said := range events {
		found.event = name
		found.said, isWhole = said.(map[string]any)
	}
	if !isWhole || len(events) != 1 || !isMade || found.jti == "" || !hasSubject {
		return nil, eventInvalid("jti, iat, sub_id and one event")
	}
	return found, nil
}

// toldKind is what an event tells a verifier.
type toldKind string

const (
	toldDenial toldKind = "denial"
	// That the stream works, with the text that somebody has asked for.
	toldVerification toldKind = "verification"
	// Of a certificate, which is not taken here.
	toldCertificate toldKind = "certificate"
)

type told struct {
	kind   toldKind
	denial denial
	state  any
}

// told gives what a security event denies; now is not before the event came.
//
// It refuses an event that names nothing that this version knows: what was meant to be denied would be let in. See CAEP 1.0 sections 3.1
// and 3.3, RFC 9493 section 3, SSF 1.0 sections 3 and 8.1.4.1.
func (event *securityEvent) told(now time.Time) (told, *Refusal) {
	switch event.event {
	case streamVerified:
		return told{kind: toldVerification, state: event.said["state"]}, nil
	case credentialChange:
		return told{kind: toldCertificate}, nil
	case sessionRevoked:
		since := now
		if event.issuedAt.After(now) {
			since = event.issuedAt
		}
		denied := denial{reason: "unspecified", forgetAfter: since.Add(eventRemembered)}
		if key, isToken := tokenIn(event.subject); isToken {
			denied.keys = []denyKey{key}
			return told{kind: toldDenial, denial: denied}, nil
		}
		if key, isStep := sessionIn(event.subject); isStep {
			// An event does not say in which state the step ended.
			denied.keys, denied.state = []denyKey{key}, "UNKNOWN"
			return told{kind: toldDenial, denial: denied}, nil
		}
	}
	return told{}, eventInvalid("one that is known here")
}

func tokenIn(subject map[string]any) (denyKey, bool) {
	issuer, hasIssuer := subject["iss"].(string)
	jti, hasJTI := subject["jti"].(string)
	return jwtKey(issuer, jti), subject["format"] == "jwt_id" && hasIssuer && hasJTI
}

func sessionIn(subject map[string]any) (denyKey, bool) {
	session, _ := subject["session"].(map[string]any)
	id, hasID := session["id"].(string)
	return stepKey(id), subject["format"] == "complex" && session["format"] == "opaque" && hasID
}

func notAnEvent(expected string) *Refusal {
	return refuse(TokenMalformed, "not a security event: expected "+expected)
}

func eventInvalid(expected string) *Refusal {
	return refuse(ClaimsInvalid, "claims of the security event: expected "+expected)
}
