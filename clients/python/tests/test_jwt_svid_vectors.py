"""The cases of test/vectors/jwt-svid.json, which TypeScript runs too: what is verified, and each refusal by code and words."""

import json
from typing import Any

import pytest

from stint_mcp import (
    JwtBundle,
    Possession,
    StepFacts,
    VerificationError,
    VerifiedJwtSvid,
    jwt_keys_of,
    verify_jwt_svid,
)
from vectors import vectors

VECTORS = vectors("jwt-svid.json")
BUNDLES = {
    bundle["trust_domain"]: JwtBundle(
        trust_domain=bundle["trust_domain"],
        keys=jwt_keys_of(json.dumps(bundle["document"]).encode()),
        issuer=bundle.get("issuer"),
        development=bundle.get("development", False),
    )
    for bundle in VECTORS["bundles"]
}


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["name"] for case in VECTORS["cases"]])
def test_a_token_is_verified_as_everywhere(case: dict[str, Any]) -> None:
    settings = {**VECTORS["settings"], **case["settings"]}
    presented = settings.get("confirmation", {})
    try:
        verified = verify_jwt_svid(
            case["token"],
            bundles=BUNDLES,
            audiences=settings["audiences"],
            now=settings["now"],
            development=settings.get("development", False),
            allow_several_audiences=settings.get("allow_several_audiences", False),
            confirmation=Possession(x5t_s256=presented.get("x5t#S256"), jkt=presented.get("jkt")),
        )
    except VerificationError as refused:
        outcome = {"refused": refused.code, "message": refused.message, "metadata": dict(refused.metadata)}
    else:
        outcome = {"verified": shown(verified)}
    assert outcome == case["expected"]


def shown(verified: VerifiedJwtSvid) -> dict[str, Any]:
    """In the member names of the file; what is absent is left out."""
    bound_to, step = verified.confirmation, verified.step
    return without_absent(
        {
            "spiffe_id": verified.spiffe_id,
            "trust_domain": verified.trust_domain,
            "audience": verified.audience,
            "key_id": verified.key_id,
            "issuer": verified.issuer,
            "jti": verified.jti,
            "client_id": verified.client_id,
            "expires_at": verified.expires_at,
            "not_before": verified.not_before,
            "issued_at": verified.issued_at,
            "scopes": list(verified.scopes),
            "grant": [element.as_json() for element in verified.grant],
            "confirmation": bound_to and {bound_to.method: bound_to.digest},
            "step": step and shown_step(step),
        }
    )


def shown_step(step: StepFacts) -> dict[str, Any]:
    principal = step.principal
    return without_absent(
        {
            "step_id": step.step_id,
            "run_id": step.run_id,
            "step": step.step,
            "attempt": step.attempt,
            "agent": step.agent,
            "workflow": step.workflow,
            "parent_step_id": step.parent_step_id,
            "principal": principal and {"iss": principal.iss, "sub": principal.sub},
        }
    )


def without_absent(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


@pytest.mark.parametrize("token", [None, 7, ["a.b.c"], b"a.b.c"], ids=["None", "a number", "a list", "bytes"])
def test_what_is_no_text_is_refused_like_any_other_token(token: Any) -> None:
    with pytest.raises(VerificationError) as refused:
        verify_jwt_svid(token, bundles=BUNDLES, **VECTORS["settings"])
    assert refused.value.code == "TOKEN_MALFORMED"


def test_a_clock_that_says_nothing_refuses_everything() -> None:
    good = VECTORS["cases"][0]["token"]
    with pytest.raises(VerificationError) as refused:
        verify_jwt_svid(good, bundles=BUNDLES, audiences=VECTORS["settings"]["audiences"], now=float("nan"))
    assert refused.value.code == "EXPIRED"


def test_no_refusal_holds_a_quotation_mark_since_it_goes_into_a_header() -> None:
    for case in VECTORS["cases"]:
        assert not set('"\\\r\n') & set(case["expected"].get("message", "")), case["name"]
