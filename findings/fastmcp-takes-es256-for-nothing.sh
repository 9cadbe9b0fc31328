#!/usr/bin/env bash
# FastMCP's `JWTVerifier`, given the address of a JWK Set, expects RS256 unless `algorithm` names another. Where the set holds P-256 keys
# alone, as with issuers that sign by ES256, it is made without an error, passes over every key ("incompatible"), and refuses every token
# with 401. Why is logged at DEBUG alone: at INFO, where refusals for issuer, audience and expiry are told, there is not a word. The keys
# say `"alg": "ES256"`, and so does the token's header. So whoever verifies by a JWK Set that is not RSA has to name the algorithm.
#
# Seen: fastmcp 4.2.3 (PyPI), Python 3.11.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

python3 -m venv venv
./venv/bin/pip install --quiet --disable-pip-version-check fastmcp==4.2.3 'pyjwt[crypto]==2.15.1'
cat > seen.py <<'PY'
import asyncio
import json
import logging
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from fastmcp.server.auth.providers.jwt import JWTVerifier

said = []


class Kept(logging.Handler):
    def emit(self, record):
        said.append(record)


logging.getLogger("fastmcp").setLevel(logging.INFO)
logging.getLogger("fastmcp").addHandler(Kept())
private = ec.generate_private_key(ec.SECP256R1())
public = dict(json.loads(ECAlgorithm.to_jwk(private.public_key())), kid="k1", alg="ES256", use="sig")
claims = {"iss": "https://as.example.org", "sub": "a", "aud": "https://mcp.example.org", "exp": time.time() + 60}
token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": "k1"})


class Served(JWTVerifier):
    async def _fetch_jwks(self):  # what is served at the address, without a server
        return {"keys": [public]}


for algorithm in (None, "ES256"):
    verifier = Served(
        jwks_uri="https://as.example.org/jwks.json",
        issuer=claims["iss"],
        audience=claims["aud"],
        algorithm=algorithm,
    )
    outcome = "believed" if asyncio.run(verifier.verify_token(token)) else "refused"
    print(f"algorithm={algorithm}: {outcome}, lines in the log at INFO and above: {len(said)}")
PY

./venv/bin/python seen.py | tee seen.txt
diff seen.txt - <<'SEEN'
algorithm=None: refused, lines in the log at INFO and above: 0
algorithm=ES256: believed, lines in the log at INFO and above: 0
SEEN
