"""A transmitter of security events whose polls the test answers, and a verifier in front of it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

from certificates import own_certificate
from issued import NOW, RESOURCE
from live import ISSUER, Key, step_claims
from manual_clock import ManualClock
from scripted_issuer import Answer, Request, ScriptedIssuer, scripted_issuer
from stint_mcp import PollRevocation, Verifier

RECEIVER = "spiffe://example.org/verifier/mcp"
CAEP = "https://schemas.openid.net/secevent/caep/event-type"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM = {
    "stream_id": "s1",
    "aud": RECEIVER,
    "audiences": [RESOURCE, "https://mcp.example.org/more"],
    "delivery": {"method": "urn:ietf:rfc:8936"},
    "events_delivered": [f"{CAEP}/session-revoked", f"{CAEP}/credential-change"],
}
_jtis = count()


def of_step(step_id: str) -> dict[str, Any]:
    return {"format": "complex", "session": {"format": "opaque", "id": step_id}}


@dataclass
class Poll:
    """One that waits for its answer."""

    asked: dict[str, Any]
    answered: asyncio.Future[Answer]
    clock: ManualClock

    def answer(self, *events: tuple[str, str], **more: Any) -> int:
        """Returns the second of its date."""
        self.answered.set_result(said({"sets": dict(events), **more}, self.clock))
        return int(self.clock.wall_ms() // 1_000)


def said(value: object, clock: ManualClock, status: int = 200) -> Answer:
    date = format_datetime(datetime.fromtimestamp(clock.wall_ms() // 1_000, UTC), usegmt=True)
    return Answer(json.dumps(value).encode(), status, {"date": date})


class Transmitter:
    def __init__(self, issuer: ScriptedIssuer, clock: ManualClock, key: Key, listed: Sequence[dict[str, Any]]) -> None:
        self.issuer, self.clock, self.key = issuer, clock, key
        self.listed, self.stream, self.status = list(listed), STREAM, "enabled"
        self.since = NOW + 1
        """From when on the verifier hears of every end."""
        self.states: list[str] = []
        self._polls: asyncio.Queue[Poll] = asyncio.Queue()
        issuer.serve("/ssf/stream", self._streams)
        issuer.serve("/ssf/stream?stream_id=s1", self._stream)
        issuer.serve("/ssf/status?stream_id=s1", self._status)
        issuer.serve("/ssf/verify", self._verify)
        issuer.serve("/ssf/poll", self._poll)

    async def next(self) -> Poll:
        """The next poll, once it has come; time passes until then."""
        while self._polls.empty():
            await asyncio.sleep(0.002)
            self.clock.advance(4)
        return await self._polls.get()

    def event(self, subject: dict[str, Any], **changes: Any) -> tuple[str, str]:
        """An event by its jti."""
        jti = f"e{next(_jtis)}"
        events = {f"{CAEP}/session-revoked": {"event_timestamp": NOW}}
        claims = {"iss": ISSUER, "aud": RECEIVER, "jti": jti, "iat": NOW, "sub_id": subject, "events": events}
        return jti, self.key.token({**claims, **changes}, "secevent+jwt")

    def shown(self, state: object) -> tuple[str, str]:
        return self.event({"format": "opaque", "id": "s1"}, events={VERIFICATION: {"state": state}})

    def token(self, *tools: str, **changes: Any) -> str:
        """Issued in the second after the verifier began to hear."""
        return self.key.token({**step_claims(RESOURCE, *tools, now=NOW), "iat": self.since, "exp": NOW + 600, **changes})

    async def _streams(self, request: Request) -> Answer:
        if request.method == "GET":
            return said(self.listed, self.clock)
        assert json.loads(request.body) == {"delivery": {"method": "urn:ietf:rfc:8936"}}
        self.listed.append(STREAM)
        return said(STREAM, self.clock, 201)

    async def _stream(self, _request: Request) -> Answer:
        return Answer(status=404) if len(self.listed) == 0 else said(self.stream, self.clock)

    async def _status(self, _request: Request) -> Answer:
        return said({"stream_id": "s1", "status": self.status}, self.clock)

    async def _verify(self, request: Request) -> Answer:
        self.states.append(json.loads(request.body)["state"])
        return Answer(status=204)

    async def _poll(self, request: Request) -> Answer:
        if len(self.listed) == 0:
            return Answer(b"{}", 404)
        poll = Poll(json.loads(request.body), asyncio.get_running_loop().create_future(), self.clock)
        await self._polls.put(poll)
        return await poll.answered


@asynccontextmanager
async def connected(
    folder: Path, listed: Sequence[dict[str, Any]] = (STREAM,)
) -> AsyncIterator[tuple[Transmitter, Verifier]]:
    certificate, key_file = own_certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key_file)
    # Whoever asks shows the same one.
    tls.load_verify_locations(certificate)
    tls.verify_mode = ssl.CERT_OPTIONAL
    key, clock = Key(), ManualClock(NOW * 1_000)
    documents = {"/spiffe-bundle.json": key.document().decode(), "/keys/events.json": key.document("sig").decode()}
    async with scripted_issuer(documents, tls) as issuer:
        transmitter = Transmitter(issuer, clock, key, listed)
        revocation = PollRevocation(
            issuer=ISSUER,
            trust_domain="example.org",
            url=issuer.url,
            roots=certificate.read_text(),
            certificate_file=certificate,
            key_file=key_file,
        )
        async with Verifier([RESOURCE], revocation=revocation, clock=clock) as verifier:
            yield transmitter, verifier


@asynccontextmanager
async def hearing(folder: Path) -> AsyncIterator[tuple[Transmitter, Verifier]]:
    """A verifier that began to hear in the second before a token is issued."""
    async with connected(folder) as (transmitter, verifier):
        transmitter.since = (await transmitter.next()).answer() + 1
        await verifier.ready()
        transmitter.clock.advance(1_000)
        yield transmitter, verifier
