"""A verifier by the machine's clock at a scripted broker whose key is in the test's hands, and an HTTP server for an application."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from scripted_broker import ScriptedBroker, Watch, scripted_broker
from stint_mcp import Verifier
from stint_mcp.asgi import Application
from stint_mcp.base64url import base64url_of
from stint_mcp.gen.stint.v1.revocations_pb2 import Denial, WatchResponse
from stint_mcp.gen.stint.v1.types_pb2 import StepState
from stint_mcp.verified_step import VerifiedStep

ISSUER = "https://stint.example.org"


@dataclass
class Key:
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def document(self, use: str = "jwt-svid") -> bytes:
        """A set of this key, for one use."""
        numbers = self.private.public_key().public_numbers()
        x, y = (base64url_of(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
        return json.dumps({"keys": [{"use": use, "kid": "own", "kty": "EC", "crv": "P-256", "x": x, "y": y}]}).encode()

    def token(self, claims: dict[str, Any], kind: str = "JWT") -> str:
        parts = [json.dumps(one).encode() for one in ({"alg": "ES256", "kid": "own", "typ": kind}, claims)]
        signed = ".".join(base64url_of(part) for part in parts)
        scalars = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{base64url_of(b''.join(one.to_bytes(32, 'big') for one in scalars))}"


def step_claims(resource: str, *tools: str, now: int, run: str = "r1") -> dict[str, Any]:
    """What a token says that permits reading by these tools."""
    agent = "spiffe://example.org/agent/researcher"
    elements = [
        {
            "type": "mcp_tool",
            "locations": [resource],
            "identifier": tool,
            "actions": ["read"],
            "datatypes": ["internal"],
        }
        for tool in tools
    ]
    return {
        **{"iss": ISSUER, "sub": f"{agent}/run/{run}/step/search/1", "aud": [resource], "jti": f"jti-{run}"},
        **{"iat": now, "nbf": now, "exp": now + 120, "client_id": agent},
        **{"run_id": run, "step": "search", "attempt": 1, "step_id": f"step-{run}"},
        **{"authorization_details": elements, "scope": " ".join(f"mcp:tool:{tool}" for tool in tools)},
    }


@dataclass
class Live:
    verifier: Verifier
    watch: Watch
    key: Key
    resource: str
    broker: ScriptedBroker

    def token(self, *tools: str, run: str = "r1", **changes: Any) -> str:
        return self.key.token({**step_claims(self.resource, *tools, now=int(time.time()), run=run), **changes})

    async def end(self, step: VerifiedStep) -> None:
        """The step is completed, and the verifier knows."""
        denial = Denial(reason="cessationOfOperation", state=StepState.STEP_STATE_COMPLETED, sequence=7)
        denial.step.step_id = step.step.step_id
        denial.step.spiffe_id_sha256 = bytes.fromhex(step.deny_keys[1][1])
        self.watch.send(WatchResponse(denied=WatchResponse.Denied(denials=[denial], cursor=b"d1")))
        while await self.watch.next_acknowledge() != b"d1":
            pass


async def answer_first(broker: ScriptedBroker, key: Key) -> Watch:
    """What makes the next verifier ready: an empty deny-list, a bundle with the key, and the time."""
    watch = await broker.next_watch()
    bundle = WatchResponse.Bundle(trust_domain="spiffe://example.org", jwks=key.document(), issuer=ISSUER)
    watch.send(WatchResponse(bundle=bundle))
    watch.send(WatchResponse(snapshot=WatchResponse.Snapshot(last=True, cursor=b"c1")))
    pong = WatchResponse.Pong(nonce=await watch.next_ping(), cursor=b"c2")
    pong.broker_time.GetCurrentTime()
    watch.send(WatchResponse(pong=pong))
    return watch


@asynccontextmanager
async def live(resource: str) -> AsyncIterator[Live]:
    key = Key()
    async with scripted_broker() as broker:
        async with Verifier([resource], endpoint=broker.endpoint) as verifier:
            watch = await answer_first(broker, key)
            await verifier.ready()
            yield Live(verifier, watch, key, resource, broker)


def free_socket() -> tuple[socket.socket, str]:
    """A listener, so that whoever connects waits until the server is up; and where it is."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def served(app: Application, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
