"""Proofs of possession beside the shared cases: RFC 9449's own, what is remembered of them, and certificates of connections."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asgi_client import Answer
from guarded import call_of
from live import ISSUER, live
from stint_mcp import ToolNeeds, VerificationError
from stint_mcp.asgi import Message, Receive, Scope, Send, StintGuard
from stint_mcp.base64url import base64url_of
from stint_mcp.dpop import parse_dpop_proof, verify_dpop_proof
from stint_mcp.guard.connection import possession_of, target_of
from stint_mcp.replay_cache import KEEP_SECONDS, ReplayCache
from stint_mcp.target_uri import normalize_target_uri

# RFC 9449 section 7.1, figure 12.
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVV"
    "FVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWoz"
    "Vl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU"
    "2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPTo"
    "A1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
RFC_REQUEST = {
    "method": "GET",
    "url": "https://resource.example.org/protectedresource",
    "token": "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
}


def test_the_proof_of_rfc_9449_holds_and_its_key_is_the_one_that_the_rfc_binds_its_token_to() -> None:
    proof = parse_dpop_proof(RFC_PROOF)
    assert proof.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert verify_dpop_proof(proof, now=1_562_262_620, **RFC_REQUEST) == "e1j3V_bKic8-LAEB"


def test_a_proof_is_taken_once_for_as_long_as_it_could_be_used_again() -> None:
    cache = ReplayCache()
    cache.use("a", "1", 0)
    cache.use("b", "1", 0)
    for now in (0, KEEP_SECONDS - 1):
        with pytest.raises(VerificationError) as refused:
            cache.use("a", "1", now)
        assert refused.value.code == "PROOF_REPLAYED"
    cache.use("a", "1", KEEP_SECONDS)
    assert len(cache) == 1


def test_who_floods_the_memory_of_proofs_is_the_one_refused() -> None:
    cache = ReplayCache(capacity=20)
    for holder in "abcdefghij":
        for jti in "12":
            cache.use(holder, jti, 0)
            with pytest.raises(VerificationError):
                cache.use(holder, "1", 0)
    for holder in "ak":
        with pytest.raises(VerificationError) as refused:
            cache.use(holder, "3", KEEP_SECONDS - 1)
        assert refused.value.code == "OVERLOADED"
    cache.use("a", "3", KEEP_SECONDS)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTP://A.example:80", "http://a.example/"),
        ("https://a.example:08443/%7ex%2f", "https://a.example:8443/~x%2F"),
        ("https://a.example/a/./../b/..", "https://a.example/"),
        ("https://a.example/a//b", "https://a.example/a//b"),
        ("https://[::1]:443/a", "https://[::1]/a"),
        ("https://u@a.example/", None),
        ("https://a.example/?", None),
        ("https://a.example/%zz", None),
        ("https:///a", None),
        ("ftp://a.example/", None),
        ("https://a.example:x/", None),
    ],
)
def test_uris_are_compared_in_one_form(text: str, normal: str | None) -> None:
    assert normalize_target_uri(text) == normal


def test_a_request_was_sent_to_the_resource_whatever_proxies_made_of_it() -> None:
    assert target_of("https://mcp.example.org/tools", "/tools/a") == "https://mcp.example.org/tools/a"
    assert target_of("https://mcp.example.org/tools", "/toolsmith") == "https://mcp.example.org/tools"
    assert target_of("https://mcp.example.org", "/a") == "https://mcp.example.org/a"


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    begin = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    signed = made.not_valid_before(begin).not_valid_after(begin + timedelta(hours=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


async def test_a_token_that_is_bound_to_a_certificate_is_taken_over_its_connection_and_no_other() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    own, other = certificate(), certificate()
    resource = "https://mcp.example.org/tools"
    tools = {"search": ToolNeeds(["read"], ["internal"])}
    async with live(resource) as scene:
        digest = base64url_of(sha256(ssl.PEM_cert_to_DER_cert(own)).digest())
        token = scene.token("search", cnf={"x5t#S256": digest})
        guard = StintGuard(app, verifier=scene.verifier, resource=resource, issuer=ISSUER, tools=tools)

        async def ask_over(extensions: dict[str, Any] | None) -> tuple[int, str | None]:
            answer = Answer()
            parts: list[Message] = [{"type": "http.request", "body": call_of("search")}]

            async def receive() -> Message:
                return parts.pop()

            async def send(message: Message) -> None:
                answer.status = message.get("status", answer.status)
                answer.body += message.get("body", b"")

            headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
            asked = {"type": "http", "method": "POST", "path": "/tools", "headers": headers}
            await guard({**asked, **({} if extensions is None else {"extensions": extensions})}, receive, send)
            told = json.loads(answer.body)["error"]["data"]["reason"] if answer.body else None
            return answer.status, told

        assert await ask_over({"tls": {"client_cert_chain": [own, other]}}) == (200, None)
        assert await ask_over({"tls": {"client_cert_chain": [other, own]}}) == (401, "PROOF_MISMATCH")
        nothing: list[dict[str, Any] | None] = [None, {}, {"tls": {"client_cert_chain": []}}, {"tls": {"client_cert_chain": None}}]
        for without in nothing:
            assert await ask_over(without) == (401, "PROOF_REQUIRED")


def test_no_certificate_is_no_possession() -> None:
    assert possession_of({"extensions": None}).x5t_s256 is None
