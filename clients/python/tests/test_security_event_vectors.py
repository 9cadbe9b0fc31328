"""The scenes of test/vectors/security-events.json, which TypeScript runs too: what an event denies, and which are none."""

import json
from typing import Any

import pytest

from stint_mcp import VerificationError
from stint_mcp.deny_list import DenyList, jwt_key, step_key
from stint_mcp.keys import keys_of
from stint_mcp.security_event import told_by, verify_security_event
from stint_mcp.verified_step import refusal_of
from vectors import refusal_in, vectors

VECTORS = vectors("security-events.json")
KEYS = keys_of(json.dumps(VECTORS["keys"]).encode(), "sig") or {}


def taken(denied: DenyList, text: str) -> object:
    try:
        event = verify_security_event(text, keys=KEYS, issuer=VECTORS["issuer"], audience=VECTORS["audience"])
        told = told_by(event, VECTORS["now_ms"])
    except VerificationError as refused:
        return refusal_in(refused)
    if told.entry is not None:
        denied.add([told.entry])
        return {"told": told.kind, "forget_after_ms": told.entry.forget_after_ms}
    return {"told": told.kind, **({"state": told.state} if told.kind == "verification" else {})}


@pytest.mark.parametrize("scene", VECTORS["scenes"], ids=[scene["name"] for scene in VECTORS["scenes"]])
def test_security_events_deny_what_they_do_everywhere(scene: dict[str, Any]) -> None:
    denied = DenyList()
    for act in scene["script"]:
        if act["do"] == "event":
            assert taken(denied, VECTORS["tokens"][act["token"]]) == act["is"]
        elif act["do"] == "forget":
            denied.forget(act["at_ms"])
        elif act["do"] == "ask":
            found = denied.find([step_key(act["step_id"]), jwt_key(act["issuer"], act["jti"])])
            assert ("accepted" if found is None else refusal_in(refusal_of(found))) == act["is"]
        else:
            pytest.fail(f"no such act: {act['do']}")
