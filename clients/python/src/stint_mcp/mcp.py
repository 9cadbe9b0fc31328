"""Stint's tokens for servers of the official MCP SDK (``mcp``): a token verifier, and what a tool asks of its step."""

from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from pydantic import PrivateAttr

from stint_mcp.errors import VerificationError
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.verifier import Verifier


class StepAccessToken(AccessToken):
    """What the SDK gets to know of a caller. The token is not among it: a handler could only pass it on."""

    _step: VerifiedStep = PrivateAttr()


class StepTokenVerifier:
    """The SDK's ``TokenVerifier``: ``MCPServer(token_verifier=…, auth=AuthSettings(…))``.

    It identifies and no more: what a step may call, and that a call stops when its step ends, is `stint_mcp.asgi.StintGuard`'s work,
    or a tool's own, with `step_of_call` and ``verifier.while_open``. Do not use it behind a guard, which takes the token away.

    :param verifier: started with the first token, or by whoever waits for it to be ready.
    :param resource: the server's canonical URI, one of the verifier's audiences.
    :raises StintError: INVALID_FIELD for a resource that is none of these.
    """

    def __init__(self, verifier: Verifier, resource: str) -> None:
        verifier.check_audience(resource)
        self._verifier, self._resource = verifier, resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """``None`` for a token that does not hold, which the SDK answers with 401.

        :raises VerificationError: when the verifier cannot tell, which the SDK answers with 500: no other token would help.
        """
        step = await step_of_token(self._verifier, token, self._resource)
        if step is None:
            return None
        access = StepAccessToken(**access_facts_of(step))
        access._step = step
        return access


async def step_of_token(verifier: Verifier, token: str, resource: str) -> VerifiedStep | None:
    """The step whose token it is; ``None`` for one that does not hold.

    :raises VerificationError: when the verifier cannot tell.
    """
    try:
        return await verifier.verify(token, audience=resource)
    except VerificationError as error:
        if error.fault == "verifier":
            raise
        return None


def access_facts_of(step: VerifiedStep) -> dict[str, Any]:
    """A step in the members of the SDK's access tokens."""
    return {
        "token": "",
        "client_id": step.step.agent,
        "scopes": list(step.scopes),
        "expires_at": step.expires_at,
        "resource": step.audience,
        "subject": step.spiffe_id,
        "claims": dict(step.claims),
    }


def step_of_call() -> VerifiedStep | None:
    """The step on whose behalf a tool runs; ``None`` when its request did not come with a token that `StepTokenVerifier` has taken."""
    access = get_access_token()
    return access._step if isinstance(access, StepAccessToken) else None
