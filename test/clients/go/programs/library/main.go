// An MCP server of the official SDK, as the guide shows it.
package main

// #region server
import (
	"context"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"stint.example/stint"
	"stint.example/stint/mcpauth"
)

type query struct {
	Query string `json:"query"`
}

func search(ctx context.Context, request *mcp.CallToolRequest, asked query) (*mcp.CallToolResult, any, error) {
	step := mcpauth.StepOf(request).Step
	// The context is done when the step ends: pass it on to whatever the tool does.
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	text := asked.Query + ", for " + step.RunID + "/" + step.Step
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

func handlerOf(verifier *stint.Verifier, resource string) (http.Handler, error) {
	tokens, err := mcpauth.TokenVerifier(verifier, resource)
	if err != nil {
		return nil, err
	}
	grants, err := mcpauth.NewMiddleware(mcpauth.Settings{
		Verifier: verifier,
		Resource: resource,
		// What calling a tool takes. A tool that is not named here is refused.
		Tools: []stint.ToolUse{{Tool: "search", Actions: []stint.Action{stint.Read}, Datatypes: []string{"internal"}}},
	})
	if err != nil {
		return nil, err
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "library", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "search", Description: "Searches the library"}, search)
	server.AddReceivingMiddleware(grants)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return auth.RequireBearerToken(tokens, nil)(handler), nil
}

func main() {
	resource := os.Getenv("RESOURCE")
	// Follows the broker's feed of revocations; SPIFFE_ENDPOINT_SOCKET says where the broker is.
	verifier, err := stint.NewVerifier(stint.Options{
		Audiences:   []string{resource},
		Development: os.Getenv("DEVELOPMENT") == "true",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := verifier.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	handler, err := handlerOf(verifier, resource)
	if err != nil {
		log.Fatal(err)
	}
	address, err := url.Parse(resource)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(address.Host, handler))
}

// #endregion
