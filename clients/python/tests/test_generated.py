"""The generated messages are what proto says."""

import filecmp
from pathlib import Path

import stint_mcp.gen

from generate import generate


def test_the_installed_messages_are_those_of_proto(tmp_path: Path) -> None:
    generate(tmp_path / "gen")
    installed = Path(stint_mcp.gen.__path__[0])
    names = sorted(str(path.relative_to(tmp_path / "gen")) for path in (tmp_path / "gen").rglob("*.py*") if path.is_file())
    _, different, missing = filecmp.cmpfiles(tmp_path / "gen", installed, names, shallow=False)
    assert (different, missing) == ([], []), "run `make generate-python`"
