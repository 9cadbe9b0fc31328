import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/domain/errors.ts";
import { Reason } from "../../src/gen/stint/v1/errors_pb.js";
import { STATUS_OF } from "../../src/wire/status-of.ts";

test("each reason keeps its gRPC code", () => {
  expect(STATUS_OF).toEqual({
    PRUNED: 9,
    TOOL_NOT_ACCEPTED: 9,
    NO_IDENTITY: 7,
    NOT_ENTITLED: 7,
    POLICY_DENIED: 7,
    GRANT_EXCEEDED: 7,
    DELEGATION_REFUSED: 7,
    STEP_NOT_FOUND: 5,
    ENTRY_NOT_FOUND: 5,
    STEP_CLOSED: 9,
    STEP_EXPIRING: 9,
    STALE_ATTEMPT: 9,
    EXECUTOR_GONE: 9,
    STEP_EXISTS: 6,
    REQUEST_ID_REUSED: 6,
    CSR_INVALID: 3,
    KEY_REFUSED: 3,
    AUDIENCE_INVALID: 3,
    INVALID_FIELD: 3,
    LIMIT_EXCEEDED: 8,
    LEDGER_UNAVAILABLE: 14,
    AUTHORITY_UNAVAILABLE: 14,
    NOT_SERVING: 14,
    DECISION_OUTDATED: 10,
  });
});

test("the reasons of the contract and the codes of the code are the same words", () => {
  const names = Object.keys(Reason).filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED");
  expect(names).toEqual([...ERROR_CODES]);
});
