"""Cases that all suites share: files of test/vectors, and outcomes in their words."""

import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from stint_mcp import VerificationError

REPOSITORY = Path(__file__).parents[3]


def vectors(name: str) -> Any:
    return json.loads((REPOSITORY / "test" / "vectors" / name).read_text())


async def outcome_of(decided: Awaitable[object]) -> object:
    try:
        await decided
    except VerificationError as refused:
        return refusal_in(refused)
    return "accepted"


def refusal_in(refused: VerificationError) -> object:
    return {"refused": refused.code, "message": refused.message, "metadata": dict(refused.metadata)}
