package mcpauth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"stint.example/stint"
	"stint.example/stint/internal/brokertest"
)

// A token verifier whose verifier hears of revocations by status lists.
func TestATokenIsTakenByItsListAndWhereThatCanNotBeHadNothingIsSaidOfTheToken(t *testing.T) {
	const name, resource = "list-1", "https://mcp.example.org/mcp"
	issuer, key := brokertest.NewSigner(t, false)
	clock := brokertest.NewManualClock(time.Unix(1_800_000_000, 0))
	issuer.ServeText("/status/"+name, key.List(t, name, clock.Wall(), 7))
	verifier, err := stint.NewVerifier(stint.Options{
		Audiences: []string{resource}, Clock: clock,
		Revocation: stint.StatusListRevocation{Issuer: brokertest.IssuerURL, TrustDomain: "example.org", URL: issuer.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	if err := verifier.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	verify, err := TokenVerifier(verifier, resource)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(list string, index int) error {
		claims := brokertest.StepClaims(resource, clock.Wall(), map[string]any{"status": brokertest.InList(list, index)})
		request := httptest.NewRequest(http.MethodPost, resource, nil)
		_, err := verify(context.Background(), key.Sign(t, "JWT", claims), request)
		return err
	}
	if err := ask(name, 1); err != nil {
		t.Errorf("said %v", err)
	}
	if err := ask(name, 7); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("said %v", err)
	}
	var refused *stint.Refusal
	if err := ask("list-2", 1); !errors.As(err, &refused) || refused.Code != stint.NotReady || errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("said %v", err)
	}
}
