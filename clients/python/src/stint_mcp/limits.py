"""Bounds of a verifier, as the broker has them: the unit is in the name, the reason beside it."""

from typing import Final

JWT_PRESENTED_BYTES_MAX: Final = 8 * 1024
"""Checked before anything is parsed; many servers stop at 8 KiB for all headers together."""

GRANT_ELEMENTS_MAX: Final = 64
GRANT_LIST_MAX: Final = 32
"""Members of one grant element's lists: more is a sign that ``*`` or another element was meant."""

GRANT_CALLS_MAX: Final = 1_000_000
"""Of one element; a budget above this bounds nothing that a step could do in its time."""

URI_BYTES_MAX: Final = 2_048
"""The usual limit of what servers take for a URL."""

SPIFFE_ID_BYTES_MAX: Final = 2_048
TRUST_DOMAIN_BYTES_MAX: Final = 255

VERIFIER_LEEWAY_SECONDS: Final = 5
"""How long after ``exp`` a credential may still be accepted; the broker keeps a revocation for this time too."""

CLOCK_SKEW_SECONDS_MAX: Final = 5
"""A clock farther off than this is not believed."""

MAX_STALENESS_SECONDS_MAX: Final = 60

SVID_TTL_SECONDS_MAX: Final = 3_600
DENIED_AFTER_EXPIRY_SECONDS: Final = VERIFIER_LEEWAY_SECONDS + CLOCK_SKEW_SECONDS_MAX
"""How long after its expiry a credential may be accepted: were a denial forgotten any earlier, what it denies would come back to life."""
