"""A connection to the broker's workload endpoint."""

import re
from typing import Final

import grpc.aio

from stint_mcp.errors import invalid_field

_SCHEME: Final = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")

_OPTIONS: Final = (
    # A local socket comes back in no time, and a verifier is without its feed until the socket is found again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # By its name the least time between attempts; what it bounds is how long one may take, which on a busy machine is longer.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The broker is trusted with our memory.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_http_proxy", 0),
    # HTTP/2 wants an authority, and the path of a socket is none.
    ("grpc.default_authority", "localhost"),
    # The channel has a connection of its own, so that closing the channel closes the connection.
    ("grpc.use_local_subchannel_pool", 1),
)

SECURITY_HEADER: Final = (("workload.spiffe.io", "true"),)
"""Of every call, so that no page in a browser can make one. See SPIFFE Workload Endpoint section 6.2."""


def open_channel(endpoint: str) -> grpc.aio.Channel:
    """A connection to a socket of the broker; made on the first call, and made again when it breaks. Needs a running event loop."""
    return grpc.aio.insecure_channel(f"unix:{socket_path_of(endpoint)}", options=list(_OPTIONS))


def socket_path_of(endpoint: str, field: str = "endpoint") -> str:
    """The path of a socket, from ``unix:///run/stint/workload.sock`` as SPIFFE writes it, ``unix:…``, or the path alone.

    Raises StintError INVALID_FIELD for any other scheme. See SPIFFE Workload Endpoint section 4.
    """
    scheme = _SCHEME.match(endpoint)
    path = endpoint
    if scheme is not None and scheme[0] == "unix:":
        path = re.sub("^//(?=/)", "", endpoint[len("unix:") :])
    is_other = scheme is not None and scheme[0] != "unix:"
    if path == "" or path.startswith("//") or is_other:
        raise invalid_field(field, "the path of a unix socket, or unix:///path")
    return path
