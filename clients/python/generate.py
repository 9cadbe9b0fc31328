"""Writes src/stint_mcp/gen from proto: messages and the types of them. `python generate.py [FOLDER]` writes there instead.

Only the files whose services the package calls, and what these import. There are no stubs of services: a method's path and
messages are in the file's descriptor, from which `stint_mcp.wire` makes the call.
"""

import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
PROTO = HERE.parent.parent / "proto"
NAMES = ("authorizations", "credentials", "errors", "history", "revocations", "steps", "types")
SOURCES = [f"stint/v1/{name}.proto" for name in NAMES]
# protoc writes imports as if the proto folder were a package of its own, which would be everybody's `stint`.
IMPORT = re.compile(r"^from stint\.v1 import", re.MULTILINE)


def generate(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    well_known = files("grpc_tools") / "_proto"
    outputs = [f"--python_out={target}", f"--pyi_out={target}"]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *SOURCES]) != 0:
        raise SystemExit("protoc failed")
    for folder in (target, target / "stint", target / "stint" / "v1"):
        (folder / "__init__.py").touch()
    for written in target.rglob("*_pb2.py*"):
        written.write_text(IMPORT.sub("from stint_mcp.gen.stint.v1 import", written.read_text()))


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "src" / "stint_mcp" / "gen")
