"""Cases that all suites share: files of test/vectors."""

import json
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]


def vectors(name: str) -> Any:
    return json.loads((REPOSITORY / "test" / "vectors" / name).read_text())
