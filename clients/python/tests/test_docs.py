"""The programs that the guide shows, at a scripted broker, with the clients of their frameworks."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastmcp import Client as FastMCPClient

from issued import LIST, RESOURCE, code_of, issued
from live import Key, Live, answer_first, free_socket, live, served
from scripted_broker import scripted_broker
from stint_mcp.clock import SystemClock
from test_mcp import client_of, text_of
from vectors import REPOSITORY


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "test" / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def running(name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    """The program as a server of its own, told by its environment where it is and where the broker is."""
    listener, origin = free_socket()
    key, resource = Key(), f"{origin}/mcp"
    async with scripted_broker() as broker:
        monkeypatch.setenv("RESOURCE", resource)
        monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", broker.endpoint)
        module: Any = program(name)
        serving = asyncio.create_task(answer_first(broker, key))
        verifier = module.verifier if hasattr(module, "verifier") else module.app._verifier
        async with served(module.app, listener):
            watch = await serving
            await verifier.ready()
            yield Live(verifier, watch, key, resource, broker)


async def test_the_fastmcp_server_serves_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("python_fastmcp", monkeypatch) as scene:
        async with FastMCPClient(scene.resource, auth=scene.token("search")) as client:
            assert (await client.call_tool("search", {"query": "owls"})).data == "owls, for r1/search"


async def test_the_server_of_the_official_sdk_serves_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("python_mcp", monkeypatch) as scene:
        async with client_of(scene.resource, scene.token("search")) as client:
            assert text_of(await client.call_tool("search", {"query": "owls"})) == "owls, for r1/search"


async def test_the_service_serves_a_step_until_it_ends() -> None:
    serve = program("python_service").serve
    async with live("https://mcp.example.org/mcp") as scene:
        token, working = scene.token("search"), asyncio.Event()

        async def search(run: str) -> str:
            return f"for {run}"

        async def long_search(_run: str) -> str:
            working.set()
            await asyncio.Event().wait()
            return "never"

        assert await serve(scene.verifier, token, search) == (200, "for r1")
        assert await serve(scene.verifier, scene.token("other"), search) == (403, "GRANT_EXCEEDED")
        serving = asyncio.create_task(serve(scene.verifier, token, long_search))
        await working.wait()
        await scene.end(await scene.verifier.verify(token))
        assert await serving == (401, "REVOKED")
        await scene.verifier.close()
        assert await serve(scene.verifier, token, search) == (503, "NOT_READY")


async def test_the_verifier_by_status_lists_takes_what_its_list_has_as_valid_and_nothing_else() -> None:
    async with issued() as scene:
        scene.clock.set_wall(SystemClock().wall_ms())
        url = scene.issuer.url
        scene.issuer.serve(f"/status/{LIST}", scene.list(2, issuer=url))
        async with program("python_revocation").by_status_lists(RESOURCE, url) as verifier:
            await verifier.ready()
            for index, code in ((1, "accepted"), (2, "REVOKED")):
                assert await code_of(verifier, scene.token(index, issuer=url)) == code


async def test_the_verifier_by_events_looks_for_its_own_svid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with program("python_revocation").by_events(RESOURCE, "https://localhost:1") as verifier:
        while (last_error := verifier.status().last_error) is None or last_error.startswith("/spiffe-bundle.json"):
            await asyncio.sleep(0.001)
        assert last_error == "there is no X.509-SVID of this verifier to be had"
