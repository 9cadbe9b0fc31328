"""Base64url without padding, as JOSE has it."""

import base64
import binascii


def base64url_of(data: bytes) -> str:
    """Encodes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def bytes_of_base64url(text: str) -> bytes | None:
    """Decodes base64url in its one canonical form: no padding, no other characters, no bits left over.

    Returns ``None`` for anything else. See RFC 7515 section 2, RFC 4648 section 3.5.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    # The decoder skips characters that it does not know. The bytes encode to the same text only if it skipped nothing.
    return data if base64url_of(data) == text else None


def bytes_of_base64(text: str) -> bytes | None:
    """Decodes base64 with its padding, as in ``x5c``, in its one canonical form; ``None`` for anything else."""
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None
