"""The two errors of this package: what is refused, and what was asked for wrongly."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

VerificationCode = Literal[
    "TOKEN_MISSING",
    "REQUEST_MALFORMED",
    "TOKEN_MALFORMED",
    "CERTIFICATE_INVALID",
    "ALGORITHM_REFUSED",
    "SUBJECT_INVALID",
    "KEY_UNKNOWN",
    "SIGNATURE_INVALID",
    "CLAIMS_INVALID",
    "PROOF_REQUIRED",
    "PROOF_MISMATCH",
    "PROOF_INVALID",
    "PROOF_REPLAYED",
    "NONCE_REQUIRED",
    "AUDIENCE_MISMATCH",
    "ISSUER_MISMATCH",
    "EXPIRED",
    "NOT_YET_VALID",
    "REVOKED",
    "GRANT_EXCEEDED",
    "CHECK_REQUIRED",
    "POLICY_DENIED",
    "TOOL_NOT_ACCEPTED",
    "NOT_READY",
    "STALE",
    "CLOCK_SKEWED",
    "OVERLOADED",
    "UNAVAILABLE",
]
"""Every reason for which a presented credential is refused; the words of the TypeScript SDK, in its order."""

VERIFICATION_CODES: Final[tuple[VerificationCode, ...]] = get_args(VerificationCode)

VerificationFault = Literal["token", "grant", "verifier"]
"""What a refusal is about.

``token``: another token is needed, or another proof (HTTP 401). ``grant``: the token is good, but does not permit this (403).
``verifier``: the verifier cannot tell at present, whatever the token (503).
"""

_OF_GRANT: Final = frozenset({"GRANT_EXCEEDED", "CHECK_REQUIRED", "POLICY_DENIED", "TOOL_NOT_ACCEPTED"})
_OF_VERIFIER: Final = frozenset({"NOT_READY", "STALE", "CLOCK_SKEWED", "OVERLOADED", "UNAVAILABLE"})


def _fault_of(code: VerificationCode) -> VerificationFault:
    return "grant" if code in _OF_GRANT else "verifier" if code in _OF_VERIFIER else "token"


FAULT_OF: Final[Mapping[VerificationCode, VerificationFault]] = MappingProxyType(
    {code: _fault_of(code) for code in VERIFICATION_CODES}
)


class VerificationError(Exception):
    """A refusal.

    ``message`` is the verifier's own words alone: nothing of the token, no other error's text, and no quotation mark, because it
    goes into a header's quoted string.

    ``metadata`` is for machines: ``REVOKED`` has ``reason``, and the ``state`` in which the step ended; ``PROOF_REQUIRED`` has
    ``proof``.
    """

    code: VerificationCode
    message: str
    metadata: Mapping[str, str]

    def __init__(self, code: VerificationCode, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.metadata = MappingProxyType(dict(metadata or {}))

    @property
    def fault(self) -> VerificationFault:
        """What the refusal is about."""
        return FAULT_OF[self.code]


class StintError(Exception):
    """What was asked for wrongly, or a broker that does not serve.

    ``code`` is one of the broker's: ``INVALID_FIELD`` (``metadata["field"]`` says which), ``AUDIENCE_INVALID`` as the broker says
    it, or ``NOT_SERVING``. A later broker may have codes that this version does not know.
    """

    code: str
    message: str
    metadata: Mapping[str, str]

    def __init__(self, code: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.metadata = MappingProxyType(dict(metadata or {}))


def invalid_field(field: str, expected: str) -> StintError:
    """The refusal of a field's value: names the field and what was expected of it, and never repeats the value."""
    return StintError("INVALID_FIELD", f"{field}: {expected}", {"field": field})
