package guard

import (
	"context"
	"net/http"
	"testing"
	"time"

	"stint.example/stint"
	"stint.example/stint/internal/brokertest"
)

// A guard whose verifier hears of revocations by status lists.
func TestAGuardWaitsForTheListOfATokenAndStopsACallByIt(t *testing.T) {
	const name, path = "list-1", "/status/list-1"
	issuer, key := brokertest.NewSigner(t, false)
	clock := brokertest.NewManualClock(time.Unix(1_800_000_000, 0))
	issuer.ServeText(path, key.List(t, name, clock.Wall()))
	made := &scene{clock: clock, vectors: vectors(t)}
	resource := made.vectors.Resource
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
	tools := []stint.ToolUse{{Tool: "search", Actions: []stint.Action{stint.Read}, Datatypes: []string{"internal"}}}
	made.guard, err = New(Settings{Verifier: verifier, Resource: resource, Issuer: brokertest.IssuerURL, Tools: tools})
	if err != nil {
		t.Fatal(err)
	}
	claims := brokertest.StepClaims(resource, clock.Wall(), map[string]any{"status": brokertest.InList(name, 7)})
	headers := [][2]string{{"Authorization", "Bearer " + key.Sign(t, "JWT", claims)}, {"Content-Type", "application/json"}}
	next := http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		issuer.ServeText(path, key.List(t, name, clock.Wall(), 7))
		clock.Advance(5_001 * time.Millisecond)
		<-request.Context().Done()
	})
	for range 2 {
		answer := made.ask(t, next, "POST", "/tools", headers, callOf("search"))
		if reason := reasonIn(t, answer.Body.Bytes()); answer.Code != http.StatusUnauthorized || reason != "REVOKED" {
			t.Errorf("answered %d: %v", answer.Code, reason)
		}
	}
}
