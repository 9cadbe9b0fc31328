#!/usr/bin/env bash
# py-spiffe has no parser for a whole SPIFFE bundle, as a bundle endpoint serves it. Its `JwtBundle.parse` refuses a bundle that holds an
# X.509 authority, which need not have a `kid`: "keyID cannot be empty". Whoever gives it a SPIFFE bundle has to keep the keys with
# `"use": "jwt-svid"` alone first. What the Workload API's FetchJWTBundles serves holds no others, so the library's own sources are not
# touched by this.
#
# Seen: spiffe 0.3.2 (PyPI). SPIFFE: "SPIFFE Trust Domain and Bundle", section 4.2.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

python3 -m venv venv
./venv/bin/pip install --quiet --disable-pip-version-check spiffe==0.3.2 'pyjwt[crypto]==2.10.1' cryptography
cat > seen.py <<'PY'
import base64
import datetime
import json
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm
from spiffe import TrustDomain
from spiffe.bundle.jwt_bundle.errors import ParseJWTBundleError
from spiffe.bundle.jwt_bundle.jwt_bundle import JwtBundle

key = ec.generate_private_key(ec.SECP256R1())
public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example")])
now = datetime.datetime.now(datetime.timezone.utc)
ca = (
    x509.CertificateBuilder()
    .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://example.org")]), critical=False)
    .sign(key, hashes.SHA256())
)
der = base64.b64encode(ca.public_bytes(serialization.Encoding.DER)).decode()

jwt_key = dict(public, kid="jwt-1", use="jwt-svid")
x509_key = dict(public, use="x509-svid", x5c=[der])
for what, keys in {
    "a JWT key": [jwt_key],
    "a JWT key and an X.509 authority": [x509_key, jwt_key],
}.items():
    document = json.dumps({"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300}).encode()
    try:
        outcome = sorted(JwtBundle.parse(TrustDomain("example.org"), document).jwt_authorities)
    except ParseJWTBundleError as error:
        outcome = error
    print(f"{what}: {outcome}")
PY

./venv/bin/python seen.py | tee seen.txt
diff seen.txt - <<'SEEN'
a JWT key: ['jwt-1']
a JWT key and an X.509 authority: Error parsing JWT bundle: Error adding authority from JWKS: "keyID" cannot be empty
SEEN
