"""The official MCP SDK's own server and client, over HTTP: with the guard in front, and with the token verifier alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp.shared.exceptions import MCPError
from pydantic import AnyHttpUrl

from live import ISSUER, Live, free_socket, live, served
from stint_mcp import ToolNeeds, VerifiedStep
from stint_mcp.asgi import StintGuard, current_step
from stint_mcp.mcp import StepTokenVerifier, step_of_call

READ = ToolNeeds(("read",), ("internal",))
TOOLS = {"search": READ, "wait": READ, "erase": ToolNeeds(("write",), ("internal",))}


class Server:
    """Tools that say for whom they run."""

    def __init__(self, server: MCPServer) -> None:
        self.mcp = server
        self.waiting: asyncio.Queue[VerifiedStep] = asyncio.Queue()
        self.stopped = asyncio.Event()
        for tool in (self.search, self.wait, self.erase):
            server.add_tool(tool)

    async def search(self, query: str) -> str:
        step = current_step() or step_of_call()
        return f"{query}, for {step and step.step.run_id}"

    async def wait(self) -> str:
        step = current_step()
        assert step is not None
        self.waiting.put_nowait(step)
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return "never"

    async def erase(self) -> str:
        pytest.fail("nobody was granted this")


@asynccontextmanager
async def client_of(resource: str, token: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http:
        async with Client(streamable_http_client(resource, http_client=http)) as client:
            yield client


@asynccontextmanager
async def guarded_server(stateless: bool) -> AsyncIterator[tuple[Live, Server]]:
    listener, origin = free_socket()
    async with live(f"{origin}/mcp") as scene:
        server = Server(MCPServer("library"))
        app = server.mcp.streamable_http_app(stateless_http=stateless, json_response=True)
        guard = StintGuard(app, verifier=scene.verifier, resource=scene.resource, issuer=ISSUER, tools=TOOLS)
        async with served(guard, listener):
            yield scene, server


def text_of(result: object) -> str:
    return str(result.content[0].text)  # type: ignore[attr-defined]


@pytest.mark.parametrize("stateless", [True, False])
async def test_behind_the_guard_a_step_calls_what_it_was_granted_and_nothing_else(stateless: bool) -> None:
    async with guarded_server(stateless) as (scene, _server):
        async with client_of(scene.resource, scene.token("search")) as client:
            assert text_of(await client.call_tool("search", {"query": "owls"})) == "owls, for r1"
            with pytest.raises(MCPError) as refused:
                await client.call_tool("erase", {})
            assert refused.value.error.data["reason"] == "GRANT_EXCEEDED"


async def test_behind_the_guard_a_call_ends_with_its_step() -> None:
    async with guarded_server(stateless=True) as (scene, server):
        headers = {
            "authorization": f"Bearer {scene.token('wait')}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-06-18",
        }
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "wait", "arguments": {}}}
        async with httpx2.AsyncClient(headers=headers) as http:
            calling = asyncio.create_task(http.post(scene.resource, json=call))
            await scene.end(await server.waiting.get())
            answer = await calling
            assert answer.status_code == 401
            assert answer.json()["error"]["data"] == {"reason": "STEP_CLOSED", "state": "COMPLETED"}
            await asyncio.wait_for(server.stopped.wait(), 10)


@asynccontextmanager
async def verifying_server() -> AsyncIterator[Live]:
    listener, origin = free_socket()
    async with live(f"{origin}/mcp") as scene:
        resource = AnyHttpUrl(scene.resource)
        auth = AuthSettings(issuer_url=AnyHttpUrl(ISSUER), resource_server_url=resource, validate_token_resource=True)
        server = Server(MCPServer("library", token_verifier=StepTokenVerifier(scene.verifier, scene.resource), auth=auth))
        async with served(server.mcp.streamable_http_app(stateless_http=True, json_response=True), listener):
            yield scene


async def test_the_token_verifier_tells_a_tool_its_step() -> None:
    async with verifying_server() as scene:
        async with client_of(scene.resource, scene.token("search")) as client:
            assert text_of(await client.call_tool("search", {"query": "owls"})) == "owls, for r1"


async def test_the_token_verifier_refuses_what_is_for_others_and_what_has_ended() -> None:
    async with verifying_server() as scene:
        token = scene.token("search")
        step = await scene.verifier.verify(token)

        async def status_of(one: str) -> int:
            async with httpx2.AsyncClient(headers={"authorization": f"Bearer {one}"}) as http:
                return int((await http.post(scene.resource, json={})).status_code)

        assert await status_of(scene.token("search", aud=["https://other.example.org"])) == 401
        assert await status_of(token) != 401
        await scene.end(step)
        assert await status_of(token) == 401
        await scene.verifier.close()
        assert await status_of(token) == 500


async def test_the_sdk_gets_no_token() -> None:
    async with live("https://mcp.example.org/mcp") as scene:
        access = await StepTokenVerifier(scene.verifier, scene.resource).verify_token(scene.token("search"))
        assert access is not None
        assert (access.token, access.client_id, access.resource) == ("", "spiffe://example.org/agent/researcher", scene.resource)
        assert access.scopes == ["mcp:tool:search"]
