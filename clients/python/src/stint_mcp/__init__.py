"""Verifies the credentials of agents' steps, and refuses them the moment that their step ends."""

from stint_mcp.call_check import CheckedCall
from stint_mcp.claims import Principal, StepFacts
from stint_mcp.clock import Clock
from stint_mcp.confirmation import Confirmation, Possession
from stint_mcp.errors import (
    FAULT_OF,
    VERIFICATION_CODES,
    StintError,
    VerificationCode,
    VerificationError,
    VerificationFault,
)
from stint_mcp.freshness import StalenessBounds, Unfitness
from stint_mcp.grant import ACTIONS, Action, Grant, GrantElement, ToolUse
from stint_mcp.guard.settings import ToolNeeds
from stint_mcp.issuer_settings import PollRevocation, StatusListRevocation
from stint_mcp.jwt_svid import VerifiedJwtSvid, verify_jwt_svid
from stint_mcp.keys import BundleSet, JwtBundle, VerificationKey, jwt_keys_of
from stint_mcp.usage import CallOutcome, UsageStatus
from stint_mcp.verified_step import VerifiedStep
from stint_mcp.verifier import Verifier
from stint_mcp.verifier_status import VerifierStatus

__all__ = [
    "ACTIONS",
    "FAULT_OF",
    "VERIFICATION_CODES",
    "Action",
    "BundleSet",
    "CallOutcome",
    "CheckedCall",
    "Clock",
    "Confirmation",
    "Grant",
    "GrantElement",
    "JwtBundle",
    "PollRevocation",
    "Possession",
    "Principal",
    "StalenessBounds",
    "StatusListRevocation",
    "StepFacts",
    "StintError",
    "ToolNeeds",
    "ToolUse",
    "Unfitness",
    "UsageStatus",
    "VerificationCode",
    "VerificationError",
    "VerificationFault",
    "VerificationKey",
    "VerifiedJwtSvid",
    "VerifiedStep",
    "Verifier",
    "VerifierStatus",
    "jwt_keys_of",
    "verify_jwt_svid",
]
