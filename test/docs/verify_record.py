# region verify
import json

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

with open("records.pem", "rb") as pem:
    public_key = load_pem_public_key(pem.read())
for line in open("records.jsonl", encoding="utf-8"):
    record = json.loads(line)
    keyid = record["signatures"][0]["keyid"]
    envelope = Envelope.from_dict(record)
    envelope.verify([SSlibKey.from_crypto(public_key, keyid=keyid)], 1)  # raises for what another key signed
# endregion
