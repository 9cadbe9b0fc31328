// Package mcpauth puts Stint's verifier into servers of the official MCP SDK: who calls, and what they may.
package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"stint.example/stint"
)

// Under which a verified step is among the extras of the SDK's token info.
const stepExtra = "stint.example/step"

// The SDK holds tokens to the machine's clock a second time. The verifier has held them to its own, with this leeway.
const leeway = 5 * time.Second

// TokenVerifier is for [auth.RequireBearerToken]: it says for which step a request is. Over TLS that ends here it takes tokens that are
// bound to the client's certificate too.
//
// What does not hold is answered with 401; a verifier that cannot tell with 500, since no other token would help. It identifies and
// permits nothing: that is for [NewMiddleware]. It fails with a *stint.Error INVALID_FIELD for a resource that is none of the verifier's
// audiences.
func TokenVerifier(verifier *stint.Verifier, resource string) (auth.TokenVerifier, error) {
	if err := verifier.CheckAudience(resource); err != nil {
		return nil, err
	}
	return func(_ context.Context, token string, request *http.Request) (*auth.TokenInfo, error) {
		presented := stint.Presented{Audience: resource, Possession: stint.PossessionOf(request)}
		step, err := verifier.Verify(token, presented)
		var refused *stint.Refusal
		if errors.As(err, &refused) && refused.Fault() == stint.OfToken {
			return nil, fmt.Errorf("%w: %w", refused, auth.ErrInvalidToken)
		}
		if err != nil {
			return nil, err
		}
		return &auth.TokenInfo{
			Scopes:     step.Scopes,
			Expiration: time.Unix(step.ExpiresAt, 0).Add(leeway),
			// A session is then for the step that opened it alone.
			UserID: step.SPIFFEID,
			Extra:  map[string]any{stepExtra: step},
		}, nil
	}, nil
}

// StepOf gives the step for which a request is; nil when it did not come with a token that [TokenVerifier] has taken.
func StepOf(request mcp.Request) *stint.VerifiedStep {
	extra := request.GetExtra()
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	step, _ := extra.TokenInfo.Extra[stepExtra].(*stint.VerifiedStep)
	return step
}
