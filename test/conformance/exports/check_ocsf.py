"""Holds lines of OCSF events to the schema that is published for their class, and says which fail, as JSON."""

import collections
import json
import sys

import jsonschema
import ocsf_json_schema
from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded
from ocsf_json_schema.loader import get_ocsf_schema

VERSION = "1.8.0"
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION))
validators = {}


def validator_of(class_uid):
    if class_uid not in validators:
        name = schema.lookup_class_name_from_uid(class_uid)
        validators[class_uid] = (name, jsonschema.Draft202012Validator(schema.get_class_schema(name)))
    return validators[class_uid]


checked = collections.Counter()
wrong = []
broken = []
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        event = json.loads(line)
        assert event["metadata"]["version"] == VERSION
        name, validator = validator_of(event["class_uid"])
        checked[name] += 1
        wrong += [f"{name}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(event)]
        del event["metadata"]["product"]
        broken.append("accepted" if validator.is_valid(event) else "refused")
print(json.dumps({"checked": checked, "wrong": wrong, "broken": broken}))
