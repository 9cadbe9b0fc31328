"""What a server tells of a request's connection, and of where the request was sent to."""

import ssl
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from stint_mcp.base64url import base64url_of
from stint_mcp.confirmation import Possession


def possession_of(scope: Mapping[str, Any]) -> Possession:
    """The certificate of the client's TLS connection, whose key its handshake has shown; nothing where the server does not tell.

    See the TLS extension of ASGI, RFC 8705 section 3.
    """
    tls = (scope.get("extensions") or {}).get("tls") or {}
    chain = list(tls.get("client_cert_chain") or ())
    if len(chain) == 0:
        return Possession()
    # Its own comes first.
    return Possession(x5t_s256=base64url_of(sha256(ssl.PEM_cert_to_DER_cert(chain[0])).digest()))


def target_of(resource: str, path: str) -> str:
    """The URI that a request was sent to, as its client wrote it.

    Of the resource's own origin, whatever host the proxies on the way made of it; and of the resource's own path, where they made that
    another one too.
    """
    url = urlsplit(resource)
    own = url.path or "/"
    is_within = path == own or path.startswith(own if own.endswith("/") else f"{own}/")
    return f"{url.scheme}://{url.netloc}{path if is_within else own}"
