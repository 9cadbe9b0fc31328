"""SPIFFE IDs, exactly as written: nothing is folded or normalized."""

import re
from dataclasses import dataclass
from typing import Final

from stint_mcp.errors import invalid_field
from stint_mcp.limits import SPIFFE_ID_BYTES_MAX, TRUST_DOMAIN_BYTES_MAX

_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]+")
_SPIFFE_ID: Final = re.compile(r"spiffe://([a-z0-9._-]+)((?:/[A-Za-z0-9._-]+)*)")
_DOT_SEGMENT: Final = re.compile(r"/\.\.?(?:/|$)")
_STEP: Final = re.compile(r"(.+)/run/([^/]+)/step/([^/]+)/([1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """A SPIFFE ID that was checked."""

    text: str
    trust_domain: str
    path: str
    """With its leading slash; empty for the trust domain itself."""


def spiffe_id_of(text: str) -> SpiffeId | None:
    """Reads a SPIFFE ID, with or without a path; ``None`` for anything else.

    Stricter than the standard in one point: upper case in scheme or trust domain is refused rather than folded. See SPIFFE-ID
    section 2.
    """
    match = _SPIFFE_ID.fullmatch(text) if len(text) <= SPIFFE_ID_BYTES_MAX else None
    if match is None:
        return None
    trust_domain, path = match.groups()
    if len(trust_domain) > TRUST_DOMAIN_BYTES_MAX or _DOT_SEGMENT.search(path) is not None:
        return None
    return SpiffeId(text, trust_domain, path)


def parse_trust_domain(text: str, field: str) -> str:
    """Accepts a trust domain's name; raises StintError INVALID_FIELD for anything else."""
    if len(text) > TRUST_DOMAIN_BYTES_MAX or _TRUST_DOMAIN.fullmatch(text) is None:
        raise invalid_field(field, "a trust domain of 1 to 255 characters a-z, 0-9, '.', '-', '_'")
    return text


@dataclass(frozen=True, slots=True)
class StepName:
    """One attempt of one step of one run, of an agent."""

    agent: str
    run_id: str
    step: str
    attempt: int


def step_name_of(spiffe_id: SpiffeId) -> StepName | None:
    """Reads a step back from its SPIFFE ID; ``None`` when the ID is not a step's."""
    match = _STEP.fullmatch(spiffe_id.text)
    if match is None:
        return None
    agent, run_id, step, attempt = match.groups()
    # An agent has a path of its own: `spiffe://example.org/run/…` names no agent.
    if "/" not in agent[len("spiffe://") :]:
        return None
    return StepName(agent, run_id, step, int(attempt))
