"""Verifies DSSE envelopes with securesystemslib, and shows that none of them verifies once a byte of it is another."""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

records, key_file = sys.argv[1:]
with open(key_file, "rb") as pem:
    public_key = load_pem_public_key(pem.read())

statements = []
changed = []
for line in open(records, encoding="utf-8"):
    data = json.loads(line)
    key = SSlibKey.from_crypto(public_key, keyid=data["signatures"][0]["keyid"])
    envelope = Envelope.from_dict(json.loads(line))
    envelope.verify([key], 1)
    assert envelope.payload_type == "application/vnd.in-toto+json"
    statements.append(json.loads(envelope.payload))
    envelope.payload = envelope.payload.replace(b"allow", b"allox").replace(b"deny", b"denx")
    try:
        envelope.verify([key], 1)
        changed.append("accepted")
    except VerificationError:
        changed.append("refused")
print(json.dumps({"statements": statements, "changed": changed}))
