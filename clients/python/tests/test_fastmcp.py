"""FastMCP's own server and client, over HTTP, with the token verifier and the middleware that enforces the grant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError

from live import Live, free_socket, live, served
from stint_mcp import ToolNeeds, VerifiedStep
from stint_mcp.fastmcp import StepGuard, StepTokenVerifier, step_of_call
from stint_mcp.gen.stint.v1.authorizations_pb2 import CheckResponse
from stint_mcp.gen.stint.v1.history_pb2 import Effect

READ = ToolNeeds(("read",), ("internal",))
TOOLS = {"search": READ, "wait": READ, "risky": READ, "erase": ToolNeeds(("write",), ("internal",))}


@asynccontextmanager
async def server() -> AsyncIterator[tuple[Live, "asyncio.Queue[VerifiedStep]", asyncio.Event]]:
    listener, origin = free_socket()
    waiting: asyncio.Queue[VerifiedStep] = asyncio.Queue()
    stopped = asyncio.Event()
    async with live(f"{origin}/mcp") as scene:
        auth = StepTokenVerifier(scene.verifier, scene.resource)
        guard = StepGuard(scene.verifier, scene.resource, TOOLS, asked_tools=["risky"])
        mcp: FastMCP[None] = FastMCP("library", auth=auth, middleware=[guard])

        @mcp.tool
        async def search(query: str) -> str:
            step = step_of_call()
            return f"{query}, for {step and step.step.run_id}"

        @mcp.tool
        async def wait() -> str:
            step = step_of_call()
            assert step is not None
            waiting.put_nowait(step)
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return "never"

        @mcp.tool
        async def erase() -> str:
            pytest.fail("nobody was granted this")

        @mcp.tool
        async def risky() -> str:
            return "done"

        @mcp.tool
        async def undeclared() -> str:
            pytest.fail("nobody said what it takes")

        @mcp.resource("stint://secret")
        async def secret() -> str:
            pytest.fail("nobody was granted this")

        async with served(mcp.http_app(path="/mcp"), listener):
            yield scene, waiting, stopped


async def test_a_step_calls_and_sees_what_it_was_granted_and_nothing_else() -> None:
    async with server() as (scene, _waiting, _stopped):
        async with Client(scene.resource, auth=scene.token("search")) as client:
            assert [tool.name for tool in await client.list_tools()] == ["search"]
            assert (await client.call_tool("search", {"query": "owls"})).data == "owls, for r1"
            for tool, reason in (("erase", "GRANT_EXCEEDED"), ("wait", "GRANT_EXCEEDED"), ("undeclared", "TOOL_UNDECLARED")):
                with pytest.raises(ToolError, match=f"^{reason}: "):
                    await client.call_tool(tool, {})


async def test_other_methods_are_refused_as_if_there_were_none() -> None:
    async with server() as (scene, _waiting, _stopped):
        async with Client(scene.resource, auth=scene.token("search")) as client:
            for request in (lambda: client.read_resource("stint://secret"), client.list_resources, client.list_prompts):
                with pytest.raises(MCPError, match="METHOD_REFUSED"):
                    await request()


async def test_a_call_of_high_risk_is_the_brokers_to_allow() -> None:
    async with server() as (scene, _waiting, _stopped):
        async with Client(scene.resource, auth=scene.token("risky")) as client:
            scene.broker.answer = CheckResponse(effect=Effect.EFFECT_ALLOW)
            assert (await client.call_tool("risky", {})).data == "done"
            scene.broker.answer = CheckResponse(effect=Effect.EFFECT_DENY, reason="POLICY_DENIED", message="not now")
            with pytest.raises(ToolError, match="^POLICY_DENIED: not now"):
                await client.call_tool("risky", {})


async def test_a_call_ends_with_its_step_and_says_so() -> None:
    async with server() as (scene, waiting, stopped):
        async with Client(scene.resource, auth=scene.token("wait")) as client:
            calling = asyncio.create_task(client.call_tool("wait", {}))
            await scene.end(await waiting.get())
            with pytest.raises(ToolError, match="^STEP_CLOSED: the step has ended"):
                await calling
            assert stopped.is_set()


async def test_a_token_that_does_not_hold_is_answered_with_401() -> None:
    async with server() as (scene, _waiting, _stopped):
        token = scene.token("search")
        step = await scene.verifier.verify(token)

        async def status_of(one: str) -> int:
            async with httpx2.AsyncClient(headers={"authorization": f"Bearer {one}"}) as http:
                return int((await http.post(scene.resource, json={})).status_code)

        assert await status_of(scene.token("search", aud=["https://other.example.org"])) == 401
        assert await status_of(token) != 401
        await scene.end(step)
        assert await status_of(token) == 401
