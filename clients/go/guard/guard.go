// Package guard stands in front of an MCP server's HTTP handler.
package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"stint.example/stint"
	"stint.example/stint/internal/refusal"
)

// Guard lets through what steps may do: every request must bring the JWT-SVID of an open step for this resource; it calls only tools that
// the step was granted, and is stopped when the step ends. What the guard cannot decide it refuses.
//
// Bearer tokens, over TLS that ends here those that are bound to the client's certificate, and where the settings say so those that are
// bound to a key, with their proofs. The handler behind it gets requests without their tokens. See MCP authorization, RFC 6750, RFC 8705, RFC 9728.
type Guard struct {
	settings *checked
	sessions *sessions
}

// New fails with a *stint.Error INVALID_FIELD, so that a mistake in the settings stops the server and not its callers.
func New(settings Settings) (*Guard, error) {
	checked, err := settings.checked()
	if err != nil {
		return nil, err
	}
	return &Guard{settings: checked, sessions: newSessions()}, nil
}

// MetadataPath is where the guard serves the protected-resource metadata: requests for it must reach the guard too.
func (guard *Guard) MetadataPath() string { return guard.settings.metadataPath }

type stepKey struct{}

// StepOf gives the step for which a request is served; nil when it did not come through a guard.
func StepOf(ctx context.Context) *stint.VerifiedStep {
	step, _ := ctx.Value(stepKey{}).(*stint.VerifiedStep)
	return step
}

// Handler is next behind the guard. The context of what next is asked is done when the step ends, with the *stint.Refusal as its cause.
func (guard *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if pathAsSent(request) == guard.settings.metadataPath {
			guard.settings.serveMetadata(response, request)
			return
		}
		asked := &asked{guard: guard, response: response, request: request}
		if refused := asked.identify(); refused != nil {
			asked.refuse(refused)
			return
		}
		if refused := asked.read(); refused != nil {
			asked.refuse(refused)
			return
		}
		asked.serve(next)
	})
}

// asked is one request, and what is known of it so far.
type asked struct {
	guard    *Guard
	response http.ResponseWriter
	request  *http.Request

	step *stint.VerifiedStep
	// nil for a request without a body.
	message *message
	// nil for what calls no tool.
	call      *stint.Call
	sessionID string
}

func (asked *asked) refuse(refused *refusal.Refusal) {
	refused.Write(asked.response, asked.guard.settings.metadataURL, asked.id())
}

func (asked *asked) id() json.RawMessage {
	if asked.message == nil {
		return nil
	}
	return asked.message.id
}

// identify says who asks.
func (asked *asked) identify() *refusal.Refusal {
	settings, header := asked.guard.settings, asked.request.Header
	step, err := asked.verified()
	var refused *stint.Refusal
	switch {
	case err == nil:
		asked.step = step
		return nil
	case errors.As(err, &refused):
		return refusal.Of(refused, settings.terms(header, settings.scopeByHeaders(header)), nil)
	default:
		return internalError
	}
}

func (asked *asked) verified() (*stint.VerifiedStep, error) {
	settings, request := asked.guard.settings, asked.request
	credentials, refused := credentialsOf(request.Header, settings.DPoP)
	if refused != nil {
		return nil, refused
	}
	presented := stint.Presented{Audience: settings.Resource, Possession: stint.PossessionOf(request)}
	if credentials.scheme == refusal.Bearer {
		return settings.Verifier.Verify(credentials.token, presented)
	}
	proof, isThere := headerOf(request.Header, "DPoP")
	if !isThere {
		return nil, &stint.Refusal{Code: stint.ProofInvalid, Message: "expected a DPoP header with the proof"}
	}
	with := stint.RequestProof{Proof: proof, Method: request.Method, URL: settings.targetOf(pathAsSent(request))}
	return settings.Verifier.VerifyWithProof(credentials.token, with, presented)
}

var internalError = answered(http.StatusInternalServerError, refusal.Internal, "INTERNAL", "internal error")

// read says what is asked, and whether the step may.
func (asked *asked) read() *refusal.Refusal {
	asked.sessionID, _ = headerOf(asked.request.Header, sessionHeader)
	sessions := asked.guard.sessions
	switch asked.request.Method {
	case http.MethodPost:
		return asked.readMessage()
	case http.MethodGet, http.MethodDelete:
		// Of a server without sessions clients ask for a stream too, to see that it has none.
		if asked.sessionID == "" || isModern(nil, asked.request.Header) {
			return onlyPost
		}
		if !sessions.isOf(asked.sessionID, asked.step) {
			return noSession
		}
		return nil
	default:
		return onlyPost
	}
}

var (
	onlyPost = &refusal.Refusal{
		Status: http.StatusMethodNotAllowed, Code: refusal.InvalidRequest, Reason: "HTTP_METHOD_REFUSED",
		Message: "only POST is served, and in a session GET and DELETE", Headers: map[string]string{"Allow": "POST"},
	}
	noSession = answered(http.StatusNotFound, refusal.SessionNotFound, "SESSION_NOT_FOUND", "there is no such session")
)

func (asked *asked) readMessage() *refusal.Refusal {
	settings, request := asked.guard.settings, asked.request
	body, refused := settings.readBody(request)
	if refused != nil {
		return refused
	}
	sent, refused := messageOf(body)
	if refused != nil {
		return refused
	}
	asked.message = sent
	// Where the protocol has no sessions, none is looked at here, and none gets to the server.
	if isModern(sent, request.Header) {
		asked.sessionID = ""
	}
	if asked.sessionID != "" && !asked.guard.sessions.isOf(asked.sessionID, asked.step) {
		return noSession
	}
	if sent.isResponse {
		if asked.sessionID == "" {
			return malformed(refusal.InvalidRequest, "a JSON-RPC response must be sent in the session in which it was asked for")
		}
		return nil
	}
	call, refused, err := settings.authorize(asked.step, sent, request.Header)
	if err != nil {
		return internalError
	}
	asked.call = call
	return refused
}

// readBody reads once, and no more than is allowed.
func (settings *checked) readBody(request *http.Request) ([]byte, *refusal.Refusal) {
	if !isJSON(request.Header) {
		refused := malformed(refusal.InvalidRequest, "the content type must be application/json")
		refused.Status = http.StatusUnsupportedMediaType
		return nil, refused
	}
	body, err := io.ReadAll(io.LimitReader(request.Body, settings.MaxBodyBytes+1))
	if err != nil {
		// Whoever has gone before the end did not ask for this.
		return nil, malformed(refusal.InvalidRequest, "the body is not whole")
	}
	if int64(len(body)) > settings.MaxBodyBytes {
		words := fmt.Sprintf("the body must be at most %d bytes", settings.MaxBodyBytes)
		return nil, answered(http.StatusRequestEntityTooLarge, refusal.InvalidRequest, "BODY_TOO_LARGE", words)
	}
	return body, nil
}

// serve has next answer, for as long as the step is open.
func (asked *asked) serve(next http.Handler) {
	verifier := asked.guard.settings.Verifier
	open, cancel, err := verifier.WhileOpen(asked.request.Context(), asked.step, asked.call)
	if err != nil {
		asked.refuse(asked.refusalOf(err))
		return
	}
	defer cancel()
	answer := newAnswer(asked.response, asked.viewOf(), asked.keepSession)
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		next.ServeHTTP(answer, asked.forwarded(context.WithValue(open, stepKey{}, asked.step)))
		// A handler whose context is done may have returned for that.
		if open.Err() == nil {
			answer.finish()
		}
	}()
	var panicked any
	select {
	case panicked = <-done:
	case <-open.Done():
		// A client that has gone is the handler's to notice.
		if stint.EndOf(open) == nil {
			panicked = <-done
		}
	}
	if ended := stint.EndOf(open); ended != nil {
		asked.end(answer, ended)
		return
	}
	if panicked != nil {
		panic(panicked)
	}
	answer.finish()
}

// end says that the step has ended in place of the answer, or of what is left of it.
func (asked *asked) end(answer *answer, ended *stint.Refusal) {
	refused := asked.refusalOf(ended)
	switch answer.detach() {
	case notBegun:
		asked.refuse(refused)
	case stream:
		// To the client of a stream that no request has, no answer is due: it comes again, and is refused then.
		if asked.request.Method == http.MethodPost {
			answer.lastEvent(refused.Body(asked.id()))
		}
	case begun:
		// Nothing but a broken connection says that the rest is missing.
		panic(http.ErrAbortHandler)
	case whole:
	}
}

func (asked *asked) refusalOf(err error) *refusal.Refusal {
	var refused *stint.Refusal
	if errors.As(err, &refused) {
		return asked.guard.settings.refusalOf(refused, asked.call, asked.request.Header)
	}
	return internalError
}

// What says who sends a request.
var notForwarded = []string{"Authorization", "DPoP", "Workload-Identity-Token", "Txn-Token"}

// forwarded is the request without its token, with the body that was looked at.
func (asked *asked) forwarded(ctx context.Context) *http.Request {
	forwarded := asked.request.Clone(ctx)
	for _, name := range notForwarded {
		forwarded.Header.Del(name)
	}
	if asked.sessionID == "" {
		forwarded.Header.Del(sessionHeader)
	}
	if asked.viewOf() != nil {
		// The guard has to see the text of the answer.
		forwarded.Header.Del("Accept-Encoding")
	}
	if asked.message != nil {
		body, err := json.Marshal(asked.message.body)
		if err != nil {
			// It was JSON before.
			panic(err)
		}
		forwarded.Body = io.NopCloser(bytes.NewReader(body))
		forwarded.ContentLength, forwarded.TransferEncoding = int64(len(body)), nil
		forwarded.Header.Del("Content-Length")
	}
	return forwarded
}

// keepSession: a session that the server has opened is whose request it was; one that it has ended or does not know is nobody's.
func (asked *asked) keepSession(status int, header http.Header) {
	isDeletion := asked.request.Method == http.MethodDelete && status < http.StatusMultipleChoices
	if opened, isOpened := headerOf(header, sessionHeader); isOpened && !isDeletion {
		asked.guard.sessions.bind(opened, asked.step)
	}
	if asked.sessionID != "" && (status == http.StatusNotFound || isDeletion) {
		asked.guard.sessions.forget(asked.sessionID)
	}
}

// pathAsSent: the parsed one has lost what was percent-encoded.
func pathAsSent(request *http.Request) string {
	if request.RequestURI == "" {
		return request.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(request.RequestURI, "?")
	return path
}

// targetOf is the URI that a request was sent to, as its client wrote it: of the resource's own origin, whatever host the proxies on the
// way made of it; and of the resource's own path, where they made that another one too.
func (settings *checked) targetOf(path string) string {
	own := settings.path
	if own == "" {
		own = "/"
	}
	if path != own && !strings.HasPrefix(path, strings.TrimSuffix(own, "/")+"/") {
		path = own
	}
	return settings.origin + path
}
