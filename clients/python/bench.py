"""What verifying a token costs next to PyJWT's decode of the same token, in one run: `make bench-python`.

PyJWT checks signature, audience, issuer and times. `Verifier.verify` checks these, and that the token is a step's, the shape of its
grant, that neither step nor token is denied, and that the feed is fresh.
"""

import asyncio
import sys
from pathlib import Path
from statistics import median
from time import process_time_ns

import jwt
from jwt.types import Options

sys.path.append(str(Path(__file__).parent / "tests"))
from live import ISSUER, live

RESOURCE = "https://mcp.example.org/mcp"
ROUNDS = 41
"""By turns, so that whatever else the machine does strikes both alike."""
TOKENS_PER_ROUND = 200


async def main() -> None:
    async with live(RESOURCE) as scene:
        token, key = scene.token("search", "read"), scene.key.private.public_key()
        verify = scene.verifier.verify
        required: Options = {"require": ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]}
        ours, theirs = [], []
        for _ in range(ROUNDS):
            began = process_time_ns()
            for _ in range(TOKENS_PER_ROUND):
                await verify(token)
            between = process_time_ns()
            for _ in range(TOKENS_PER_ROUND):
                jwt.decode(token, key, algorithms=["ES256"], audience=RESOURCE, issuer=ISSUER, leeway=5, options=required)
            ours.append((between - began) / TOKENS_PER_ROUND / 1_000)
            theirs.append((process_time_ns() - between) / TOKENS_PER_ROUND / 1_000)
        ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
        print(f"stint_mcp Verifier.verify {median(ours):.0f} µs, PyJWT {jwt.__version__} decode {median(theirs):.0f} µs: {ratio:.2f} ×")


asyncio.run(main())
