"""A guard in front of an MCP server's ASGI application."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from stint_mcp.errors import VerificationError
from stint_mcp.grant import ToolUse
from stint_mcp.guard.authorize import authorize_message, challenge_terms_of, is_modern, scope_by_headers
from stint_mcp.guard.headers import Headers, credentials_of
from stint_mcp.guard.connection import possession_of, target_of
from stint_mcp.guard.message import NOT_IN_SESSION, JsonRpcMessage, JsonRpcResponse, malformed, message_of
from stint_mcp.guard.refusal import (
    INTERNAL,
    INVALID_REQUEST,
    SESSION_NOT_FOUND,
    Refusal,
    RequestId,
    error_message_of,
    headers_of,
    refusal_of,
)
from stint_mcp.guard.sessions import Sessions
from stint_mcp.guard.settings import (
    BODY_BYTES_MAX,
    LIST,
    OTHER_METHODS,
    GuardSettings,
    ToolNeeds,
    check_asked_tools,
    guard_settings_of,
    scope_of_tool,
)
from stint_mcp.guard.tools_seen import ToolsSeen, Unreadable
from stint_mcp.usage import CallOutcome
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.verifier import Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_METADATA_SECONDS: Final = 600
"""Long enough to spare a client the request, short enough that a new tool is found the same hour."""
_SESSION: Final = "mcp-session-id"
_NOT_FORWARDED: Final = frozenset(
    {b"authorization", b"dpop", b"workload-identity-token", b"txn-token", b"content-length", b"transfer-encoding"}
)
"""What says who sends a request, and what another body would contradict."""

_ONLY_POST: Final = Refusal(
    405,
    INVALID_REQUEST,
    "HTTP_METHOD_REFUSED",
    "only POST is served, and in a session GET and DELETE",
    headers={"allow": "POST"},
)
_NO_SESSION: Final = Refusal(404, SESSION_NOT_FOUND, "SESSION_NOT_FOUND", "there is no such session")

_CURRENT: ContextVar[VerifiedStep | None] = ContextVar("stint_step", default=None)


def current_step() -> VerifiedStep | None:
    """The step for which the present request is served; ``None`` when it did not come through a guard."""
    return _CURRENT.get()


class StintGuard:
    """Every request must bring the JWT-SVID of an open step for this resource; it calls only tools that the step was granted, and is
    stopped when the step ends. What the guard cannot decide it refuses.

    Bearer tokens, and with ``dpop`` those that are bound to a key, with their proofs; where the server tells of the connection's certificate
    (the TLS extension of ASGI), those that are bound to it. The application gets requests without their tokens.

    :param app: the application behind it.
    :param verifier: made with ``resource`` among its audiences; started and closed with the application's lifespan.
    :param resource: the server's canonical URI: what JWT-SVIDs for it have as audience.
    :param issuer: the broker's issuer URL, for the protected-resource metadata.
    :param tools: every tool that may be called at all, with what calling it takes. A tool that is not here is refused.
    :param asked_tools: tools of high risk, about whose every call the broker is asked; where it gives no answer they are refused.
        Calls that a grant counts are asked about anyway.
    :param other_methods: other methods that any step with a token for this resource may call; the rest is refused.
    :param dpop: takes DPoP proofs, and says so. They are remembered in this process: behind several, each takes a proof once.
    :raises StintError: INVALID_FIELD.

    See MCP authorization, RFC 6750, RFC 9728.
    """

    def __init__(
        self,
        app: Application,
        *,
        verifier: Verifier,
        resource: str,
        issuer: str,
        tools: Mapping[str, ToolNeeds],
        asked_tools: Sequence[str] = (),
        other_methods: Sequence[str] = OTHER_METHODS,
        resource_name: str | None = None,
        max_body_bytes: int = BODY_BYTES_MAX,
        dpop: bool = False,
    ) -> None:
        self._settings = guard_settings_of(resource, issuer, tools, other_methods, resource_name, max_body_bytes, dpop)
        verifier.check_audience(resource)
        check_asked_tools(asked_tools, tools)
        self._asked = frozenset(asked_tools)
        self._app, self._verifier, self._sessions = app, verifier, Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] == "lifespan":
            self._verifier.start()
            try:
                await self._app(scope, receive, send)
            finally:
                await self._verifier.close()
        elif scope["type"] != "http":
            # No other protocol of ASGI has a way to say who asks.
            await send({"type": "websocket.close", "code": 1008})
        elif _path_of(scope) == self._settings.metadata_path:
            await _send_metadata(self._settings, scope, send)
        else:
            await self._guard(scope, receive, send)

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Who asks, what they ask, whether they may; then it is served."""
        headers = Headers(scope["headers"])
        try:
            step = await self._identify(scope, headers)
        except VerificationError as error:
            scope_text = scope_by_headers(self._settings, headers)
            refused = refusal_of(error, challenge_terms_of(self._settings, headers, scope_text))
            await self._refuse(send, refused, None)
            return
        request = _Request(scope, receive, send, headers, step)
        if scope["method"] == "POST":
            await self._post(request)
        elif scope["method"] not in ("GET", "DELETE") or request.session_id is None or is_modern(None, headers):
            # Of a server without sessions clients ask for a stream too, to see that it has none.
            await self._refuse(send, _ONLY_POST, None)
        elif not self._sessions.is_of(request.session_id, step):
            await self._refuse(send, _NO_SESSION, None)
        else:
            seen = self._seen_by(step, of_any=True, modern=False) if scope["method"] == "GET" else None
            await self._serve(request, receive, None, None, seen)

    async def _identify(self, scope: Scope, headers: Headers) -> VerifiedStep:
        """Raises VerificationError."""
        resource = self._settings.resource
        presented = credentials_of(headers, dpop=self._settings.dpop)
        if presented.scheme == "Bearer":
            return await self._verifier.verify(presented.token, audience=resource, confirmation=possession_of(scope))
        if presented.proof is None:
            raise VerificationError("PROOF_INVALID", "expected a DPoP header with the proof")
        url = target_of(resource, _path_of(scope))
        return await self._verifier.verify_with_proof(
            presented.token, presented.proof, method=scope["method"], url=url, audience=resource
        )

    async def _post(self, request: "_Request") -> None:
        settings, headers, step = self._settings, request.headers, request.step
        message = await _read_message(request, settings.max_body_bytes)
        if isinstance(message, Refusal):
            await self._refuse(request.send, message, None)
            return
        request_id = message.id if isinstance(message, JsonRpcMessage) else None
        # Where the protocol has no sessions, none is looked at here, and none gets to the server.
        if is_modern(message if isinstance(message, JsonRpcMessage) else None, headers):
            request.session_id = None
        if request.session_id is not None and not self._sessions.is_of(request.session_id, step):
            await self._refuse(request.send, _NO_SESSION, request_id)
            return
        permitted: ToolUse | Refusal | None = None
        if isinstance(message, JsonRpcMessage):
            permitted = authorize_message(settings, self._verifier, step, message, headers)
        elif request.session_id is None:
            permitted = NOT_IN_SESSION
        if isinstance(permitted, Refusal):
            await self._refuse(request.send, permitted, request_id)
            return
        seen = None
        if isinstance(message, JsonRpcMessage) and message.method == LIST:
            seen = self._seen_by(step, of_any=False, modern=is_modern(message, headers))
        await self._serve(request, _replayed(message.body, request.receive), permitted, request_id, seen)

    def _seen_by(self, step: VerifiedStep, *, of_any: bool, modern: bool) -> ToolsSeen:
        uses = self._settings.uses
        return ToolsSeen(
            lambda tool: tool in uses and self._verifier.covers(step, uses[tool]), of_any=of_any, modern=modern
        )

    async def _serve(
        self,
        request: "_Request",
        receive: Receive,
        use: ToolUse | None,
        request_id: RequestId,
        seen: ToolsSeen | None,
    ) -> None:
        answer = _Answer(request.send, lambda begun: self._keep_session(request, begun), seen)
        outcome: CallOutcome = "refused"
        forwarded = _forwarded(request, unencoded=seen is not None)
        before = _CURRENT.set(request.step)
        while_open = None
        is_begun = False
        try:
            while_open = self._verifier.while_open(request.step, use, ask=use is not None and use.tool in self._asked)
            async with while_open:
                is_begun, outcome = True, "failed"
                await self._app(forwarded, receive, answer.send)
        except Unreadable:
            # Whatever it was, it is not for this step.
            if answer.is_sent:
                raise
            await self._refuse(request.send, INTERNAL, request_id)
        except VerificationError as error:
            if is_begun and while_open is not None and error is not while_open.ended:
                raise
            outcome = "stopped" if is_begun else "refused"
            scope = None if use is None else scope_of_tool(use.tool)
            element = None if use is None else self._settings.elements[use.tool]
            refused = refusal_of(error, challenge_terms_of(self._settings, request.headers, scope), element)
            if not answer.is_sent or answer.headers is None:
                await self._refuse(request.send, refused, request_id)
            elif answer.headers.is_event_stream and not answer.is_whole:
                # To the client of a stream that no request has, no answer is due: it comes again, and is refused then.
                is_answered = request.scope["method"] == "POST"
                await answer.end(error_message_of(refused, request_id) if is_answered else None)
            elif not answer.is_whole:
                # Nothing but a broken connection says that the rest is missing.
                raise
        except asyncio.CancelledError:
            outcome = "stopped"
            raise
        finally:
            _CURRENT.reset(before)
            if use is not None:
                # By the head of the answer, where there is one: what is in it is nobody's business here.
                self._verifier.report(request.step, use, answer.outcome or outcome)

    def _keep_session(self, request: "_Request", answer: "_Answer") -> None:
        """A session that the server has opened is whose request it was; one that it has ended or does not know is nobody's."""
        opened = answer.headers.get(_SESSION) if answer.headers is not None else None
        is_deletion = request.scope["method"] == "DELETE" and answer.status < 300
        if opened is not None and not is_deletion:
            self._sessions.bind(opened, request.step)
        if request.session_id is not None and (answer.status == 404 or is_deletion):
            self._sessions.forget(request.session_id)

    async def _refuse(self, send: Send, refused: Refusal, request_id: RequestId) -> None:
        headers = headers_of(refused, self._settings.metadata_url)
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": error_message_of(refused, request_id)})


def _path_of(scope: Scope) -> str:
    """As it was sent, where the server says so: the other has lost what was percent-encoded."""
    raw = scope.get("raw_path")
    return str(scope["path"]) if raw is None else bytes(raw).decode("latin-1").partition("?")[0]


class _Request:
    """One request of a step."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: Headers, step: VerifiedStep) -> None:
        self.scope, self.receive, self.send, self.headers, self.step = scope, receive, send, headers, step
        self.session_id = headers.get(_SESSION)


class _Answer:
    """What of the application's answer has been sent."""

    def __init__(self, send: Send, on_begun: Callable[["_Answer"], None], seen: ToolsSeen | None) -> None:
        self._send, self._on_begun, self._seen = send, on_begun, seen
        self.status = 0
        self.headers: Headers | None = None
        self.is_sent = False
        """Whether the client has heard of it: an answer that is read first is held back until it is whole."""
        self.is_whole = False
        self.outcome: CallOutcome | None = None
        """By its status; ``None`` before it has begun."""
        self._start: Message = {}
        self._ends_in_line = True

    async def send(self, message: Message) -> None:
        """Passes a message of the application on."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], Headers(message.get("headers", ()))
            self._start = message
            self.outcome = "served" if 200 <= self.status < 300 else "failed"
            if self._seen is None or not self._seen.begin(self.status, self.headers):
                await self._begin()
        elif message["type"] == "http.response.body":
            await self._pass(message.get("body", b""), more=message.get("more_body", False))
        else:
            await self._send(message)

    async def _begin(self) -> None:
        # Before the client knows the session, and comes back in it.
        self._on_begun(self)
        self.is_sent = True
        if self._seen is None:
            await self._send(self._start)
            return
        # What is changed on its way has another length.
        headers = [(name, value) for name, value in self._start.get("headers", ()) if name.lower() != b"content-length"]
        await self._send({**self._start, "headers": headers})

    async def _pass(self, body: bytes, *, more: bool) -> None:
        if self._seen is not None:
            body = self._seen.take(body) + (b"" if more else self._seen.rest())
        if not self.is_sent:
            if more:
                return
            await self._begin()
        self._ends_in_line = body.endswith(b"\n") if body else self._ends_in_line
        self.is_whole = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def end(self, data: bytes | None) -> None:
        """Ends a stream of server-sent events, with a last event where there is something to say."""
        # An event that was cut in two ends here, so that it does not swallow the last one.
        before = b"" if self._ends_in_line else b"\n\n"
        body = b"" if data is None else b"%sevent: message\ndata: %s\n\n" % (before, data)
        await self._send({"type": "http.response.body", "body": body})


async def _read_message(request: _Request, max_bytes: int) -> JsonRpcMessage | JsonRpcResponse | Refusal:
    """Reads the one message of a request: once, and no more of it than is allowed."""
    if not request.headers.is_json:
        return malformed("the content type must be application/json", status=415)
    body = bytearray()
    while True:
        part = await request.receive()
        body += part.get("body", b"")
        if len(body) > max_bytes:
            return Refusal(413, INVALID_REQUEST, "BODY_TOO_LARGE", f"the body must be at most {max_bytes} bytes")
        if part["type"] == "http.disconnect":
            # Whoever has gone before the end did not ask for this.
            return malformed("the body is not whole")
        if not part.get("more_body", False):
            return message_of(bytes(body))


def _replayed(body: dict[str, Any], receive: Receive) -> Receive:
    """Gives the application what was looked at, and then whatever else comes."""
    messages: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def _forwarded(request: _Request, *, unencoded: bool) -> Scope:
    """The request without its token; it comes whole, so that its length need not be said.

    :param unencoded: the guard has to see the text of the answer.
    """
    left_out = _NOT_FORWARDED | (frozenset() if request.session_id is not None else {_SESSION.encode()})
    left_out |= {b"accept-encoding"} if unencoded else frozenset()
    headers = [(name, value) for name, value in request.scope["headers"] if name.lower() not in left_out]
    state = {**request.scope.get("state", {}), "stint_step": request.step}
    return {**request.scope, "headers": headers, "state": state}


async def _send_metadata(settings: GuardSettings, scope: Scope, send: Send) -> None:
    """By which a client that was refused learns who issues tokens for this server. See RFC 9728 section 2."""
    if scope["method"] not in ("GET", "HEAD"):
        await send({"type": "http.response.start", "status": 405, "headers": [(b"allow", b"GET, HEAD")]})
        await send({"type": "http.response.body", "body": b""})
        return
    metadata = {
        "resource": settings.resource,
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [scope_of_tool(name) for name in settings.uses],
        "authorization_details_types_supported": ["mcp_tool"],
        **({} if settings.resource_name is None else {"resource_name": settings.resource_name}),
    }
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"public, max-age=%d" % _METADATA_SECONDS),
        # It holds no secret, and a client in a browser has to read it.
        (b"access-control-allow-origin", b"*"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else json.dumps(metadata, separators=(",", ":")).encode()
    await send({"type": "http.response.body", "body": body})
