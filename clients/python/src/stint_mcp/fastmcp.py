"""Stint's tokens for FastMCP servers: a token verifier, and a middleware that enforces what a step was granted."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastmcp.exceptions import ToolError
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool, ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, ListToolsRequest
from pydantic import PrivateAttr

from stint_mcp.errors import VerificationError
from stint_mcp.grant import ToolUse
from stint_mcp.guard.refusal import METHOD_NOT_FOUND
from stint_mcp.guard.settings import (
    CALL,
    OTHER_METHODS,
    ToolNeeds,
    check_asked_tools,
    check_other_methods,
    is_other_method,
    tool_elements_of,
)
from stint_mcp.mcp import access_facts_of, step_of_token
from stint_mcp.usage import CallOutcome
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.verifier import Verifier


class StepAccessToken(AccessToken):
    """What FastMCP gets to know of a caller. The token is not among it: a handler could only pass it on."""

    _step: VerifiedStep = PrivateAttr()


class StepTokenVerifier(TokenVerifier):
    """FastMCP's token verifier: ``FastMCP(auth=…, middleware=[StepGuard(…)])``. It identifies and no more.

    :param verifier: started with the first token, or by whoever waits for it to be ready.
    :param resource: the server's canonical URI, one of the verifier's audiences.
    :raises StintError: INVALID_FIELD for a resource that is none of these.
    """

    def __init__(self, verifier: Verifier, resource: str, **options: Any) -> None:
        verifier.check_audience(resource)
        super().__init__(**options)
        self._verifier, self._resource = verifier, resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """``None`` for a token that does not hold, which FastMCP answers with 401.

        :raises VerificationError: when the verifier cannot tell, which FastMCP answers with 500: no other token would help.
        """
        step = await step_of_token(self._verifier, token, self._resource)
        if step is None:
            return None
        access = StepAccessToken(**access_facts_of(step))
        access._step = step
        return access


class StepGuard(Middleware):
    """Lets a step call the tools that it was granted, for as long as it is open, and shows it no others.

    A tool that is not named is refused. What is refused is a ``ToolError`` with the reason first, which a model can read; another method
    of MCP is refused as one that there is not.

    :param asked_tools: tools of high risk, about whose every call the broker is asked; where it gives no answer they are refused.
    :param other_methods: other methods that any step with a token for this resource may call; the rest is refused.
    :raises StintError: INVALID_FIELD.
    """

    def __init__(
        self,
        verifier: Verifier,
        resource: str,
        tools: Mapping[str, ToolNeeds],
        *,
        asked_tools: Sequence[str] = (),
        other_methods: Sequence[str] = OTHER_METHODS,
    ) -> None:
        verifier.check_audience(resource)
        check_other_methods(other_methods)
        check_asked_tools(asked_tools, tools)
        self._asked = frozenset(asked_tools)
        elements = tool_elements_of(resource, tools)
        self._verifier, self._other_methods = verifier, tuple(other_methods)
        self._uses = {name: ToolUse(name, element.actions, element.datatypes) for name, element in elements.items()}

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Refuses what is neither a call of a tool nor one of the other methods."""
        method = context.method or ""
        if method == CALL or is_other_method(self._other_methods, method):
            return await call_next(context)
        message = "METHOD_REFUSED: the method is not one that this server permits"
        raise MCPError(METHOD_NOT_FOUND, message, {"reason": "METHOD_REFUSED"})

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Serves a call while its step is open."""
        step, use = step_of_call(), self._uses.get(context.message.name)
        if step is None:
            raise ToolError("TOKEN_MISSING: a token of a step is required")
        if use is None:
            raise ToolError("TOOL_UNDECLARED: the tool is not one that this server permits")
        while_open = None
        is_begun = False
        outcome: CallOutcome = "refused"
        try:
            while_open = self._verifier.while_open(step, use, ask=use.tool in self._asked)
            async with while_open:
                is_begun, outcome = True, "failed"
                result = await call_next(context)
            outcome = "served"
            return result
        except VerificationError as error:
            if is_begun and while_open is not None and error is not while_open.ended:
                raise
            outcome = "stopped" if is_begun else "refused"
            is_ended = error.code == "REVOKED" and "state" in error.metadata
            raise ToolError(f"{'STEP_CLOSED' if is_ended else error.code}: {error.message}") from None
        except asyncio.CancelledError:
            outcome = "stopped"
            raise
        finally:
            self._verifier.report(step, use, outcome)

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """Only those that the step could call."""
        step, tools = step_of_call(), await call_next(context)
        if step is None:
            return []
        uses = {tool.name: self._uses.get(tool.name) for tool in tools}
        return [
            tool
            for tool in tools
            if (use := uses[tool.name]) is not None and self._verifier.covers(step, use)
        ]


def step_of_call() -> VerifiedStep | None:
    """The step on whose behalf a tool runs; ``None`` when its request did not come with a token that `StepTokenVerifier` has taken."""
    access = get_access_token()
    return access._step if isinstance(access, StepAccessToken) else None
