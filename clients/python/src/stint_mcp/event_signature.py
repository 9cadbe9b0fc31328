"""Signatures of what a broker signs with its keys for lists and events."""

from collections.abc import Mapping
from typing import Final

from stint_mcp.errors import VerificationError
from stint_mcp.jws import Jws, Refuse, header_text_of
from stint_mcp.keys import VerificationKey

EventKeys = Mapping[str, VerificationKey]
"""Keys that sign lists and events, by ``kid``."""

_ALGORITHM: Final = "ES256"


def check_event_signature(jws: Jws, algorithm: str, keys: EventKeys, what: str, refuse: Refuse) -> None:
    """Whether it is signed with ES256, by the key that it names.

    :param what: it is, for people.
    :raises VerificationError: ALGORITHM_REFUSED, KEY_UNKNOWN or SIGNATURE_INVALID; what ``refuse`` makes where no key is named.
    """
    if algorithm != _ALGORITHM:
        raise VerificationError("ALGORITHM_REFUSED", f"the {what} is not signed with ES256")
    key = keys.get(header_text_of(jws.header, "kid", refuse))
    if key is None:
        raise VerificationError("KEY_UNKNOWN", f"the {what} is signed with a key that is none of its issuer")
    if algorithm not in key.algorithms or not key.verifies(algorithm, jws.signed, jws.signature):
        raise VerificationError("SIGNATURE_INVALID", f"the signature of the {what} does not hold")
