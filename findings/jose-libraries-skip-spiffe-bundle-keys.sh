#!/usr/bin/env bash
# A SPIFFE bundle is a JWK Set, and its JWT keys say `"use": "jwt-svid"`. Two general JOSE libraries take a key for signatures only
# where `use` is `sig` or absent: with a SPIFFE bundle as their JWKS they find no key, for a token that is signed by a key in it.
# `jose` says that no key matches; PyJWT's client says that there are no signing keys at all. So whoever verifies JWT-SVIDs with
# such a library needs the same keys without `use`, or with `sig`, at another address.
#
# Seen: jose 6.1.0 (npm, Node.js 24), PyJWT 2.10.1 (PyPI). SPIFFE: "SPIFFE Trust Domain and Bundle", section 4.2.2.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts jose@6.1.0
cat > seen.mjs <<'JS'
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
const token = await new SignJWT({ sub: "spiffe://example.org/agent" })
  .setProtectedHeader({ alg: "ES256", kid: "k1" })
  .setAudience("https://mcp.example.org")
  .setExpirationTime("5m")
  .sign(privateKey);
for (const use of [undefined, "sig", "jwt-svid"]) {
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: "k1", use }] });
  const outcome = await jwtVerify(token, keys).then(() => "verified", (error) => error.code);
  console.log(`jose use=${use ?? "absent"}: ${outcome}`);
}
JS

python3 -m venv venv
./venv/bin/pip install --quiet --disable-pip-version-check 'pyjwt[crypto]==2.10.1'
cat > seen.py <<'PY'
import json
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

public = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
for use in (None, "sig", "jwt-svid"):
    keys = {"keys": [dict(public, kid="k1", **({"use": use} if use else {}))]}

    class Served(jwt.PyJWKClient):
        def fetch_data(self):
            return keys

    try:
        Served("https://broker.example.org/bundle.json").get_signing_key("k1")
        outcome = "found"
    except jwt.PyJWKClientError as error:
        outcome = str(error)
    print(f"PyJWT use={use or 'absent'}: {outcome}")
PY

{ node seen.mjs; ./venv/bin/python seen.py; } | tee seen.txt
diff seen.txt - <<'SEEN'
jose use=absent: verified
jose use=sig: verified
jose use=jwt-svid: ERR_JWKS_NO_MATCHING_KEY
PyJWT use=absent: found
PyJWT use=sig: found
PyJWT use=jwt-svid: The JWKS endpoint did not contain any signing keys
SEEN
