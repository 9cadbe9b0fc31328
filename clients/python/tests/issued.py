"""A broker whose public documents are in the test's hands: its keys, its status lists, and tokens that are in them."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from live import ISSUER, Key, step_claims
from manual_clock import ManualClock
from scripted_issuer import Answer, ScriptedIssuer, scripted_issuer
from stint_mcp import StatusListRevocation, VerificationError, Verifier
from stint_mcp.base64url import base64url_of

RESOURCE = "https://mcp.example.org/mcp"
NOW = 1_800_000_000
LIST = "list-1"


@dataclass
class Issued:
    issuer: ScriptedIssuer
    clock: ManualClock
    key: Key

    def now(self) -> int:
        return int(self.clock.wall_ms() // 1_000)

    def token(self, index: int, *tools: str, name: str = LIST, issuer: str = ISSUER, **changes: Any) -> str:
        """A token in a list, which permits reading by these tools."""
        claims = step_claims(RESOURCE, *tools, now=self.now())
        status = {"status_list": {"idx": index, "uri": f"{issuer}/status/{name}"}}
        return self.key.token({**claims, "iss": issuer, "exp": self.now() + 600, "status": status, **changes})

    def list(self, *invalid: int, name: str = LIST, issuer: str = ISSUER) -> Answer:
        """A list as it is now, of 1,024 tokens, of which these are invalid."""
        data = bytearray(128)
        for index in invalid:
            data[index >> 3] |= 1 << (index & 7)
        statuses = {"bits": 1, "lst": base64url_of(zlib.compress(bytes(data)))}
        times = {"iat": self.now(), "exp": self.now() + 60, "ttl": 5}
        claims = {"iss": issuer, "sub": f"{issuer}/status/{name}", **times, "status_list": statuses}
        return Answer(self.key.token(claims, "statuslist+jwt").encode())

    def revocation(self, **changes: Any) -> StatusListRevocation:
        settings = {"issuer": ISSUER, "trust_domain": "example.org", "url": self.issuer.url, **changes}
        return StatusListRevocation(**settings)


@asynccontextmanager
async def issued(**options: Any) -> AsyncIterator[Issued]:
    key = Key()
    documents = {"/spiffe-bundle.json": key.document().decode(), "/keys/events.json": key.document("sig").decode()}
    async with scripted_issuer(documents, **options) as issuer:
        scene = Issued(issuer, ManualClock(NOW * 1_000), key)
        issuer.serve(f"/status/{LIST}", scene.list())
        yield scene


@asynccontextmanager
async def by_lists(**options: Any) -> AsyncIterator[tuple[Issued, Verifier]]:
    """A verifier that is ready, and may have been told of by nothing but status lists."""
    async with issued() as scene:
        async with Verifier([RESOURCE], revocation=scene.revocation(), clock=scene.clock, **options) as verifier:
            await verifier.ready()
            yield scene, verifier


async def code_of(verifier: Verifier, token: str) -> str:
    """Of the refusal, or ``accepted``."""
    try:
        await verifier.verify(token)
    except VerificationError as refused:
        return refused.code
    return "accepted"
