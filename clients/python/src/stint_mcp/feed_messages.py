"""What the feed says, off the wire."""

import math
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from stint_mcp.deny_list import DenyListEntry, jwt_key, spiffe_id_hash_key, step_key
from stint_mcp.errors import invalid_field
from stint_mcp.gen.stint.v1.revocations_pb2 import Denial, WatchResponse
from stint_mcp.gen.stint.v1.types_pb2 import StepState
from stint_mcp.keys import DEVELOPMENT_TRUST_DOMAIN, JwtBundle, jwt_keys_of
from stint_mcp.spiffe_id import spiffe_id_of

_SHA256_BYTES: Final = 32
_STATE_PREFIX: Final = "STEP_STATE_"


def deny_list_entry_of(denial: Denial) -> DenyListEntry:
    """A denial off the wire.

    Raises StintError INVALID_FIELD when it names nothing, or nothing that this version knows: what was meant to be denied would be let
    in.
    """
    is_step = denial.WhichOneof("subject") == "step"
    forget_after = unix_ms_of(denial.forget_after) if denial.HasField("forget_after") else math.inf
    # A broker sends a state with a credential too, which says nothing of the step: the step may go on.
    state = _state_of(denial.state) if is_step else None
    return DenyListEntry(_keys_of(denial), denial.reason, state, denial.sequence, forget_after)


def _keys_of(denial: Denial) -> tuple[tuple[str, ...], ...]:
    subject = denial.WhichOneof("subject")
    if subject == "step":
        step = denial.step
        if step.step_id == "" or len(step.spiffe_id_sha256) != _SHA256_BYTES:
            raise invalid_field("denial.step", "a step id and the SHA-256 of its SPIFFE ID")
        return step_key(step.step_id), spiffe_id_hash_key(step.spiffe_id_sha256.hex())
    if subject == "jwt":
        if denial.jwt.issuer == "" or denial.jwt.jti == "":
            raise invalid_field("denial.jwt", "an issuer and a jti")
        return (jwt_key(denial.jwt.issuer, denial.jwt.jti),)
    if subject == "certificate":
        # No certificate is verified here.
        return ()
    raise invalid_field("denial.subject", "a step, a JWT-SVID or a certificate")


def _state_of(state: int) -> str | None:
    if state == StepState.STEP_STATE_UNSPECIFIED:
        return None
    known = StepState.DESCRIPTOR.values_by_number.get(state)
    return "UNKNOWN" if known is None else known.name.removeprefix(_STATE_PREFIX)


def unix_ms_of(timestamp: Timestamp) -> int:
    """A broker's time in Unix milliseconds, rounded up: later is safer for what must not be forgotten."""
    return timestamp.seconds * 1_000 + math.ceil(timestamp.nanos / 1_000_000)


def bundle_of(message: WatchResponse.Bundle) -> JwtBundle:
    """The keys of a trust domain off the wire.

    A document that is no bundle leaves the trust domain without keys: its SVIDs are refused, those of others are not. Raises StintError
    INVALID_FIELD when it names no trust domain.
    """
    named = spiffe_id_of(message.trust_domain)
    if named is None or named.path != "":
        raise invalid_field("bundle.trust_domain", "the SPIFFE ID of a trust domain, without a path")
    return JwtBundle(
        trust_domain=named.trust_domain,
        keys=jwt_keys_of(message.jwks),
        issuer=None if message.issuer == "" else message.issuer,
        development=message.development or named.trust_domain == DEVELOPMENT_TRUST_DOMAIN,
        federated=message.federated,
    )
