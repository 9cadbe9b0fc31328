"""Judges tokens with PyJWT, as the guide says or by its defaults; run by python-verifiers.test.ts."""

import os
import sys
from pathlib import Path

import jwt

sys.path.append(str(Path(__file__).parents[3] / "docs"))

from verify_step import ISSUER, RESOURCE, keys, step_of


def judged(token):
    if os.environ["MODE"] == "guide":
        return step_of(token)
    untold = os.environ["MODE"] == "no audience"
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=ISSUER,
        audience=None if untold else RESOURCE,
    )


print("ready", flush=True)
for line in sys.stdin:
    try:
        print("taken", judged(line.strip())["sub"], flush=True)
    except jwt.PyJWTError as refused:
        print("refused", type(refused).__name__, flush=True)
