"""What a verifier is told of a broker whose documents are public."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from stint_mcp.errors import invalid_field
from stint_mcp.issuer_document import IssuerPlace
from stint_mcp.resource_uri import check_resource_uri
from stint_mcp.spiffe_id import parse_trust_domain

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class _OfIssuer:
    issuer: str
    """The broker's issuer URL, exactly as its tokens have it as ``iss``: a list or an event of any other is not looked at."""
    trust_domain: str
    """The broker's trust domain, e.g. ``example.org``; tokens of any other are refused."""
    url: str | None = None
    """Where the broker's keys and lists are fetched: https, or http to this machine. ``None``: at ``issuer``.

    Whatever a token says, nothing else is fetched.
    """
    roots: str | None = None
    """Certificates of those who may vouch for that server, PEM. ``None``: those that Python has."""

    def place(self) -> IssuerPlace:
        """Where the documents are. Raises StintError INVALID_FIELD for settings that can't be."""
        check_resource_uri(self.issuer, "revocation.issuer")
        url = self.issuer if self.url is None else self.url
        check_resource_uri(url, "revocation.url")
        parts = urlsplit(url)
        if parts.query != "" or (parts.scheme != "https" and parts.hostname not in _LOOPBACK):
            raise invalid_field("revocation.url", "an https URL without a query, or one of this machine")
        parse_trust_domain(self.trust_domain, "revocation.trust_domain")
        tls = tls_to(self.roots)
        return IssuerPlace(url, tls if parts.scheme == "https" else None)


@dataclass(frozen=True, kw_only=True)
class StatusListRevocation(_OfIssuer):
    """Revocations by the OAuth Token Status Lists of a broker, which has ``status_lists: true``."""


@dataclass(frozen=True, kw_only=True)
class PollRevocation(_OfIssuer):
    """Revocations by the security events of a broker, which has ``ssf.transmit: true``.

    The stream is its verifier entry's, of which one process at a time is the receiver: what one has acknowledged no other is told.
    """

    certificate_file: str | Path
    """Of the verifier's own X.509-SVID with its chain, PEM; it is read anew when it has changed, as is that of the key."""
    key_file: str | Path

    def place(self) -> IssuerPlace:
        """As for lists, and over https alone."""
        place = super().place()
        if place.tls is None:
            raise invalid_field("revocation.url", "an https URL, where the verifier shows who it is")
        return place


IssuerRevocation: TypeAlias = StatusListRevocation | PollRevocation


def tls_to(roots: str | None) -> ssl.SSLContext:
    """Checks the server's name and certificate. Raises StintError INVALID_FIELD for roots that are no certificates."""
    # Made by hand, since the one by default writes keys of connections where an environment variable says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if roots is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    try:
        context.load_verify_locations(cadata=roots)
    except (ssl.SSLError, ValueError):
        raise invalid_field("revocation.roots", "certificates in PEM") from None
    return context
