import { expect, test } from "vitest";
import * as exported from "../../../src/sdk/verifier/index.ts";

// What users of stint-sdk/verifier switch on and import. A change here is a change of the contract with them.

test("each reason for a refusal, and whose matter it is", () => {
  expect(exported.FAULT_OF).toEqual({
    TOKEN_MISSING: "token",
    TOOL_NOT_ACCEPTED: "grant",
    REQUEST_MALFORMED: "token",
    TOKEN_MALFORMED: "token",
    CERTIFICATE_INVALID: "token",
    ALGORITHM_REFUSED: "token",
    SUBJECT_INVALID: "token",
    KEY_UNKNOWN: "token",
    SIGNATURE_INVALID: "token",
    CLAIMS_INVALID: "token",
    PROOF_REQUIRED: "token",
    PROOF_MISMATCH: "token",
    PROOF_INVALID: "token",
    PROOF_REPLAYED: "token",
    NONCE_REQUIRED: "token",
    AUDIENCE_MISMATCH: "token",
    ISSUER_MISMATCH: "token",
    EXPIRED: "token",
    NOT_YET_VALID: "token",
    REVOKED: "token",
    GRANT_EXCEEDED: "grant",
    CHECK_REQUIRED: "grant",
    POLICY_DENIED: "grant",
    NOT_READY: "verifier",
    STALE: "verifier",
    CLOCK_SKEWED: "verifier",
    OVERLOADED: "verifier",
    UNAVAILABLE: "verifier",
  });
  expect(Object.keys(exported.FAULT_OF)).toEqual(exported.VERIFICATION_CODES);
});

test("the names that are exported", () => {
  expect(Object.keys(exported).toSorted()).toEqual([
    "FAULT_OF",
    "PROOF_KINDS",
    "PROOF_POLICIES",
    "VERIFICATION_CODES",
    "VerificationError",
    "argumentsSha256",
    "createTlsServer",
    "createVerifier",
    "toolDefinitionOf",
  ]);
});

test("the ways to prove possession", () => {
  expect(exported.PROOF_KINDS).toEqual(["dpop", "mtls", "wpt"]);
  expect(exported.PROOF_POLICIES).toEqual(["none", "accepted", "required"]);
});
