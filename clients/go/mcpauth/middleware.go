package mcpauth

import (
	"context"
	"errors"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"stint.example/stint"
	"stint.example/stint/internal/refusal"
	"stint.example/stint/internal/toolmap"
)

// Settings are what the middleware is made with.
type Settings struct {
	// Verifier has the resource among its audiences.
	Verifier *stint.Verifier
	// Resource is the server's canonical URI: what JWT-SVIDs for it have as audience.
	Resource string
	// Tools are all that may be called at all, with what calling each takes. A tool that is not here is refused.
	Tools []stint.ToolUse
	// AskedTools are those of high risk, about whose every call the broker is asked; where it gives no answer they are refused. Calls that
	// a grant counts are asked about anyway.
	AskedTools []string
	// OtherMethods are those that any step with a token for this resource may call; the rest is refused. nil: what every client does before
	// and beside calling tools: initialize, ping, server/discover, tools/list, notifications/*.
	OtherMethods []string
}

type middleware struct {
	Settings
	tools *toolmap.ToolMap
}

// NewMiddleware is for [mcp.Server.AddReceivingMiddleware], behind [TokenVerifier].
//
// A step calls the tools that it was granted and is listed no others. The context of a call is done when its step ends, with the
// *stint.Refusal as its cause, and the caller is told at once, whatever the tool does. A refusal is an error of JSON-RPC as all Stint
// guards have it: code -32010, and a reason in its data. It fails with a *stint.Error INVALID_FIELD for settings with a mistake in them.
func NewMiddleware(settings Settings) (mcp.Middleware, error) {
	if settings.Verifier == nil {
		return nil, toolmap.InvalidField("verifier", "a verifier")
	}
	if !stint.IsResourceURI(settings.Resource) {
		return nil, toolmap.InvalidField("resource", "a canonical http(s) URI")
	}
	if err := settings.Verifier.CheckAudience(settings.Resource); err != nil {
		return nil, err
	}
	var err error
	if settings.OtherMethods, err = toolmap.CheckedOtherMethods(settings.OtherMethods); err != nil {
		return nil, err
	}
	tools, err := toolmap.New(settings.Resource, settings.Tools, settings.AskedTools)
	if err != nil {
		return nil, err
	}
	made := &middleware{Settings: settings, tools: tools}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
			return made.handle(ctx, method, request, next)
		}
	}, nil
}

func (made *middleware) handle(
	ctx context.Context, method string, request mcp.Request, next mcp.MethodHandler,
) (mcp.Result, error) {
	step := StepOf(request)
	if step == nil {
		missing := &stint.Refusal{Code: stint.TokenMissing, Message: "a token is required"}
		return nil, errorOf(refusal.Of(missing, refusal.Terms{}, nil))
	}
	if method != toolmap.Call {
		return made.other(ctx, method, request, step, next)
	}
	params, isCall := request.GetParams().(*mcp.CallToolParamsRaw)
	if !isCall || params == nil {
		return nil, ownError(refusal.InvalidRequest, "REQUEST_MALFORMED", "tools/call must be a request that names its tool")
	}
	if params.RequestState != "" {
		// None is sealed here, so nobody can know whose this one is.
		words := "the requestState is not one that was given to this step for this request"
		return nil, ownError(refusal.InvalidParams, "REQUEST_STATE_INVALID", words)
	}
	call, isDeclared := made.tools.Use(params.Name)
	if !isDeclared {
		// As a server answers that has no such tool.
		return nil, ownError(refusal.InvalidParams, "TOOL_UNDECLARED", "the tool is not one that this server permits")
	}
	return made.whileOpen(ctx, step, &call, func(open context.Context) (mcp.Result, error) { return next(open, method, request) })
}

func (made *middleware) other(
	ctx context.Context, method string, request mcp.Request, step *stint.VerifiedStep, next mcp.MethodHandler,
) (mcp.Result, error) {
	if !toolmap.IsOtherMethod(made.OtherMethods, method) {
		// As if there were no such method: there is no token that would help.
		return nil, ownError(refusal.MethodNotFound, "METHOD_REFUSED", "the method is not one that this server permits")
	}
	result, err := made.whileOpen(ctx, step, nil, func(open context.Context) (mcp.Result, error) { return next(open, method, request) })
	if listed, isList := result.(*mcp.ListToolsResult); isList && listed != nil {
		return made.seen(step, listed), err
	}
	return result, err
}

// seen are the tools that the step may call. A cache must not give them to another, who may call others.
func (made *middleware) seen(step *stint.VerifiedStep, listed *mcp.ListToolsResult) *mcp.ListToolsResult {
	seen := *listed
	seen.CacheScope = "private"
	// The server has its own list elsewhere.
	seen.Tools = slices.DeleteFunc(slices.Clone(listed.Tools), func(tool *mcp.Tool) bool {
		call, isDeclared := made.tools.Use(tool.Name)
		return !isDeclared || !made.Verifier.Covers(step, call.ToolUse)
	})
	return &seen
}

type outcome struct {
	result   mcp.Result
	err      error
	panicked any
}

// whileOpen serves until the step ends, whatever is served does then.
func (made *middleware) whileOpen(
	ctx context.Context, step *stint.VerifiedStep, call *stint.Call, serve func(context.Context) (mcp.Result, error),
) (mcp.Result, error) {
	open, cancel, err := made.Verifier.WhileOpen(ctx, step, call)
	if err != nil {
		return nil, made.refused(err, call)
	}
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		var served outcome
		defer func() {
			served.panicked = recover()
			done <- served
		}()
		served.result, served.err = serve(open)
	}()
	var served outcome
	select {
	case served = <-done:
	case <-open.Done():
		if stint.EndOf(open) == nil {
			// Whoever has cancelled is the tool's to notice.
			served = <-done
		}
	}
	if ended := stint.EndOf(open); ended != nil {
		return nil, made.refused(ended, call)
	}
	if served.panicked != nil {
		panic(served.panicked)
	}
	return served.result, served.err
}

func (made *middleware) refused(err error, call *stint.Call) error {
	var refused *stint.Refusal
	if !errors.As(err, &refused) {
		return ownError(refusal.Internal, "INTERNAL", "internal error")
	}
	if call == nil {
		return errorOf(refusal.Of(refused, refusal.Terms{}, nil))
	}
	return errorOf(refusal.Of(refused, refusal.Terms{}, made.tools.Element(call.Tool)))
}

func ownError(code int, reason, words string) error {
	return errorOf(&refusal.Refusal{Code: code, Reason: reason, Message: words})
}

func errorOf(refused *refusal.Refusal) error {
	return &jsonrpc.Error{Code: int64(refused.Code), Message: refused.Message, Data: refused.Data()}
}
