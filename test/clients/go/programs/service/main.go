// A service that is no MCP server, as the guide shows it.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"stint.example/stint"
)

// #region serve
var search = stint.ToolUse{Tool: "search", Actions: []stint.Action{stint.Read}, Datatypes: []string{"internal"}}

var statuses = map[stint.Fault]int{
	stint.OfToken: http.StatusUnauthorized, stint.OfGrant: http.StatusForbidden, stint.OfVerifier: http.StatusServiceUnavailable,
}

// serve gives status and answer of a search.
func serve(ctx context.Context, verifier *stint.Verifier, token string, work func(ctx context.Context, run string) string) (int, string) {
	step, err := verifier.Verify(token, stint.Presented{})
	if err != nil {
		return refused(err)
	}
	// Refuses what the step was not granted; the context is done when the step ends.
	open, cancel, err := verifier.WhileOpen(ctx, step, &stint.Call{ToolUse: search})
	if err != nil {
		return refused(err)
	}
	defer cancel()
	answer := work(open, step.Step.RunID)
	if ended := stint.EndOf(open); ended != nil {
		return refused(ended)
	}
	return http.StatusOK, answer
}

func refused(err error) (int, string) {
	refused, isRefusal := err.(*stint.Refusal)
	if !isRefusal {
		return http.StatusInternalServerError, ""
	}
	return statuses[refused.Fault()], string(refused.Code)
}

// #endregion

func main() {
	verifier, err := stint.NewVerifier(stint.Options{Audiences: os.Args[1:2], Development: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := verifier.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		status, answer := serve(request.Context(), verifier, request.Header.Get("Token"), func(_ context.Context, run string) string {
			return "for " + run
		})
		response.WriteHeader(status)
		_, _ = response.Write([]byte(answer))
	})
	log.Fatal(http.ListenAndServe(os.Args[2], nil))
}
