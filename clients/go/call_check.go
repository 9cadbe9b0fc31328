package stint

import (
	"context"
	"encoding/hex"
	"maps"
	"strings"
	"time"

	"google.golang.org/grpc"

	"stint.example/stint/internal/stintv1"
)

const (
	checkMethod = "/stint.v1.Authorizations/Check"
	// A local socket answers within milliseconds, fsync included; what takes longer is no answer to a call that waits.
	checkTimeout = 2 * time.Second
)

// What a denial is to whoever presents the token; a reason that this version does not know is policy's.
var codeOfReason = map[string]Code{
	"NO_IDENTITY":       Revoked,
	"STEP_CLOSED":       Revoked,
	"STEP_EXPIRING":     Expired,
	"AUDIENCE_INVALID":  AudienceMismatch,
	"GRANT_EXCEEDED":    GrantExceeded,
	"DECISION_OUTDATED": Unavailable,
	"TOOL_NOT_ACCEPTED": ToolNotAccepted,
}

// A message goes into a header's quoted string.
var withoutQuotes = strings.NewReplacer(`"`, "'", `\`, "'")

// CheckedCall is a call that the broker has allowed, and counted.
type CheckedCall struct {
	// DecisionID finds it in the broker's history.
	DecisionID string
	// CallsLeft is how many more such calls the grant allows; nil where it does not say how many.
	CallsLeft *uint32
}

// ask asks the broker about one call; whatever is no allow is a refusal.
func ask(ctx context.Context, channel *grpc.ClientConn, token, location string, use ToolUse) (CheckedCall, *Refusal) {
	ctx, cancel := context.WithTimeout(withSecurityHeader(ctx), checkTimeout)
	defer cancel()
	request := &stintv1.CheckRequest{
		Credential: &stintv1.CheckRequest_JwtSvid{JwtSvid: token},
		Location:   location,
		Tool:       use.Tool,
		Datatypes:  use.Datatypes,
	}
	// What is no digest does not get here: the use has been checked.
	request.DefinitionSha256, _ = hex.DecodeString(use.DefinitionSHA256)
	for _, action := range use.Actions {
		request.Actions = append(request.Actions, string(action))
	}
	answer := new(stintv1.CheckResponse)
	if err := channel.Invoke(ctx, checkMethod, request, answer); err != nil {
		return CheckedCall{}, unansweredOf(callFailureOf(err))
	}
	// Only an allow allows: an effect that this version does not know is none.
	if answer.GetEffect() != stintv1.Effect_EFFECT_ALLOW {
		return CheckedCall{}, deniedOf(answer)
	}
	return CheckedCall{DecisionID: answer.GetDecisionId(), CallsLeft: answer.CallsLeft}, nil
}

func deniedOf(answer *stintv1.CheckResponse) *Refusal {
	code, isKnown := codeOfReason[answer.GetReason()]
	if !isKnown {
		code = PolicyDenied
	}
	details := map[string]string{}
	maps.Copy(details, answer.GetMetadata())
	details["decision_id"] = answer.GetDecisionId()
	return refuseWith(code, withoutQuotes.Replace(answer.GetMessage()), details)
}

// unansweredOf: no answer is no permission.
func unansweredOf(failure *callFailure) *Refusal {
	if failure.reason == "LIMIT_EXCEEDED" {
		return refuse(Overloaded, "the broker is asked too often")
	}
	why := "the broker can't decide"
	if failure.isUnreachable {
		why = "the broker does not answer"
	}
	return refuse(Unavailable, why+", and this call needs its answer")
}
