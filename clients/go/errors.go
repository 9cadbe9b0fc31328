package stint

import (
	"fmt"
	"maps"
)

// Code is the reason for which a presented credential is refused, in the words of all Stint verifiers.
type Code string

// Every reason that there is.
const (
	TokenMissing       Code = "TOKEN_MISSING"
	RequestMalformed   Code = "REQUEST_MALFORMED"
	TokenMalformed     Code = "TOKEN_MALFORMED"
	CertificateInvalid Code = "CERTIFICATE_INVALID"
	AlgorithmRefused   Code = "ALGORITHM_REFUSED"
	SubjectInvalid     Code = "SUBJECT_INVALID"
	KeyUnknown         Code = "KEY_UNKNOWN"
	SignatureInvalid   Code = "SIGNATURE_INVALID"
	ClaimsInvalid      Code = "CLAIMS_INVALID"
	ProofRequired      Code = "PROOF_REQUIRED"
	ProofMismatch      Code = "PROOF_MISMATCH"
	ProofInvalid       Code = "PROOF_INVALID"
	ProofReplayed      Code = "PROOF_REPLAYED"
	NonceRequired      Code = "NONCE_REQUIRED"
	AudienceMismatch   Code = "AUDIENCE_MISMATCH"
	IssuerMismatch     Code = "ISSUER_MISMATCH"
	Expired            Code = "EXPIRED"
	NotYetValid        Code = "NOT_YET_VALID"
	Revoked            Code = "REVOKED"
	GrantExceeded      Code = "GRANT_EXCEEDED"
	CheckRequired      Code = "CHECK_REQUIRED"
	PolicyDenied       Code = "POLICY_DENIED"
	ToolNotAccepted    Code = "TOOL_NOT_ACCEPTED"
	NotReady           Code = "NOT_READY"
	Stale              Code = "STALE"
	ClockSkewed        Code = "CLOCK_SKEWED"
	Overloaded         Code = "OVERLOADED"
	Unavailable        Code = "UNAVAILABLE"
)

// Fault is what a refusal is about.
type Fault string

const (
	// OfToken means that another token is needed, or another proof (HTTP 401).
	OfToken Fault = "token"
	// OfGrant means that the token is good, but does not permit this (403).
	OfGrant Fault = "grant"
	// OfVerifier means that the verifier cannot tell at present, whatever the token (503).
	OfVerifier Fault = "verifier"
)

// Fault says what a refusal with this code is about.
func (code Code) Fault() Fault {
	switch code {
	case GrantExceeded, CheckRequired, PolicyDenied, ToolNotAccepted:
		return OfGrant
	case NotReady, Stale, ClockSkewed, Overloaded, Unavailable:
		return OfVerifier
	default:
		return OfToken
	}
}

// Refusal is why a presented credential, or what it was presented for, is refused.
type Refusal struct {
	Code Code
	// Message is in the verifier's own words alone: nothing of the token, no other error's text, and no quotation mark, because it goes
	// into a header's quoted string.
	Message string
	// Metadata is for machines: Revoked has "reason", and the "state" in which the step ended; ProofRequired has "proof". Not nil.
	Metadata map[string]string
}

func (refused *Refusal) Error() string { return fmt.Sprintf("%s: %s", refused.Code, refused.Message) }

// Fault says what the refusal is about.
func (refused *Refusal) Fault() Fault { return refused.Code.Fault() }

func refuse(code Code, message string) *Refusal {
	return &Refusal{Code: code, Message: message, Metadata: map[string]string{}}
}

func refuseWith(code Code, message string, metadata map[string]string) *Refusal {
	return &Refusal{Code: code, Message: message, Metadata: maps.Clone(metadata)}
}

// Error is what was asked for wrongly, or a broker that does not serve.
type Error struct {
	// Code is one of the broker's: INVALID_FIELD (Metadata["field"] says which), AUDIENCE_INVALID as the broker says it, or NOT_SERVING.
	// A later broker may have codes that this version does not know.
	Code     string
	Message  string
	Metadata map[string]string
}

func (failed *Error) Error() string { return fmt.Sprintf("%s: %s", failed.Code, failed.Message) }

// invalidField is the refusal of a field's value: it names the field and what was expected of it, and never repeats the value.
func invalidField(field, expected string) *Error {
	return &Error{Code: "INVALID_FIELD", Message: field + ": " + expected, Metadata: map[string]string{"field": field}}
}

func notServing(message string) *Error {
	return &Error{Code: "NOT_SERVING", Message: message, Metadata: map[string]string{}}
}
