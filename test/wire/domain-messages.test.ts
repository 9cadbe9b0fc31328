import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Decision, Situation } from "../../src/domain/decision.ts";
import { ACTIONS, type Grant } from "../../src/domain/grant.ts";
import type { IssuanceRecord, SvidKind } from "../../src/domain/issuance.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import { STEP_STATES, type Step } from "../../src/domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import { DecisionSchema } from "../../src/gen/stint/v1/history_pb.js";
import {
  ExecutorSchema,
  GrantSchema,
  IssuanceSchema,
  ProcessSchema,
  StepSchema,
  StepState,
} from "../../src/gen/stint/v1/types_pb.js";
import { decisionMessageOf } from "../../src/wire/decision-message.ts";
import { grantMessageOf, grantOfMessage, knownGrantOf } from "../../src/wire/grant-message.ts";
import { issuanceMessageOf, svidKindMessageOf, svidKindOf } from "../../src/wire/issuance-message.ts";
import { executorOfMessage, processMessageOf, processOfMessage } from "../../src/wire/process-message.ts";
import { stepMessageOf, stepStateMessageOf, stepStateOf } from "../../src/wire/step-message.ts";

const grant: Grant = [
  {
    type: "mcp_tool",
    locations: ["https://mcp.example.org/search"],
    identifier: "search",
    actions: ["read"],
    datatypes: ["internal"],
  },
];
const opener: ProcessIdentity = { bootId: "b-1", pidNamespace: "4026531836", pid: 42, startTimeTicks: 123_456 };
const step: Step = {
  stepId: "step_1",
  runId: "run-1" as Segment,
  step: "search" as Segment,
  attempt: 2,
  agent: "researcher" as Segment,
  agentEntryId: "entry_1",
  openerEntryId: "entry_2",
  opener,
  executor: { kind: "process", process: { ...opener, pid: 43 } },
  spiffeId: "spiffe://example.org/agent/researcher/run/run-1/step/search/2" as SpiffeId,
  state: "OPEN",
  grant,
  audiences: ["urn:example:other"],
  openedAt: 1_790_000_000_250_000 as UnixMicros,
  expiresAt: 1_790_000_300 as UnixSeconds,
  held: false,
  depth: 0,
  decisionId: "dec_1",
  openedSequence: 7,
};

describe("a grant", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/), { minLength: 1, maxLength: 4 });
  const grants: fc.Arbitrary<Grant> = fc.array(
    fc.record({
      type: fc.constant("mcp_tool" as const),
      locations: names.map((all) => all.map((name) => `https://example.org/x${name}`)),
      identifier: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
      actions: fc.uniqueArray(fc.constantFrom(...ACTIONS), { minLength: 1 }),
      datatypes: names,
    }),
    { maxLength: 5 },
  );

  test("is the same after the wire, as request and as answer", () => {
    fc.assert(
      fc.property(grants, (sent) => {
        const bytes = toBinary(GrantSchema, create(GrantSchema, grantMessageOf(sent)));
        const message = fromBinary(GrantSchema, bytes);
        expect(grantOfMessage(message, { ceiling: false })).toEqual(sent);
        expect(knownGrantOf(message)).toEqual(sent);
      }),
    );
  });

  test("that is absent is empty", () => {
    expect(grantOfMessage(undefined, { ceiling: false })).toEqual([]);
    expect(knownGrantOf(undefined)).toEqual([]);
  });

  test("from a request is checked, and the refusal names the member", () => {
    const [element] = grantMessageOf(grant).elements ?? [];
    const message = create(GrantSchema, { elements: [{ ...element, datatypes: [] }] });
    expect(() => grantOfMessage(message, { ceiling: false }, "wanted.grant")).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "wanted.grant[0].datatypes" } }),
    );
  });

  test.for([
    { what: "an action", changed: { actions: ["read", "teleport"] } },
    { what: "a type", changed: { type: "mcp_prompt" } },
  ])("of the broker with $what that is not known here permits its holder nothing", ({ changed }) => {
    const [element] = grantMessageOf(grant).elements ?? [];
    expect(knownGrantOf(create(GrantSchema, { elements: [{ ...element, ...changed }] }))).toEqual([]);
  });
});

describe("a step", () => {
  test("is told with all that its readers may know", () => {
    const message = create(StepSchema, stepMessageOf(step, { processes: true }));
    expect(message).toMatchObject({
      stepId: "step_1",
      name: { runId: "run-1", step: "search", attempt: 2 },
      agent: "researcher",
      spiffeId: "spiffe://example.org/agent/researcher/run/run-1/step/search/2",
      state: 2,
      grant: { elements: [{ type: "mcp_tool", identifier: "search", actions: ["read"] }] },
      audiences: ["urn:example:other"],
      openedAt: { seconds: 1_790_000_000n, nanos: 250_000_000 },
      expiresAt: { seconds: 1_790_000_300n, nanos: 0 },
      workflow: "",
      parentStepId: "",
      decisionId: "dec_1",
      opener: { bootId: "b-1", pidNamespace: "4026531836", pid: 42, startTimeTicks: 123_456n },
      executor: { pid: 43 },
      openedSequence: 7n,
      closedSequence: 0n,
    });
    for (const absent of ["lease", "leaseExpiresAt", "closedAt"] as const) expect(message[absent]).toBeUndefined();
  });

  test("that is closed is told with its end", () => {
    const closed: Step = {
      ...step,
      state: "SUPERSEDED",
      leaseSeconds: 30,
      leaseExpiresAt: 1_790_000_030_000_000 as UnixMicros,
      closedAt: 1_790_000_010_000_000 as UnixMicros,
      closeReason: "superseded",
      closedSequence: 9,
      executor: { kind: "any" },
    };
    const message = create(StepSchema, stepMessageOf(closed, { processes: true }));
    expect(message).toMatchObject({
      state: 8,
      lease: { seconds: 30n },
      leaseExpiresAt: { seconds: 1_790_000_030n },
      closedAt: { seconds: 1_790_000_010n },
      closeReason: "superseded",
      closedSequence: 9n,
    });
    expect(message.executor).toBeUndefined();
  });

  test("keeps its processes from readers who may not know them", () => {
    const message = create(StepSchema, stepMessageOf(step, { processes: false }));
    expect([message.opener, message.executor]).toEqual([undefined, undefined]);
  });

  test("has a state on the wire for each of its states, and back", () => {
    expect(STEP_STATES.map((state) => stepStateMessageOf(state))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const state of STEP_STATES) expect(stepStateOf(stepStateMessageOf(state))).toBe(state);
  });

  test("in a state that is not known here has none, so that it counts as closed", () => {
    expect(stepStateOf(StepState.UNSPECIFIED)).toBeUndefined();
    expect(stepStateOf(99 as StepState)).toBeUndefined();
  });
});

describe("an issuance", () => {
  const record: IssuanceRecord = {
    issuanceId: "iss_1",
    kind: "jwt-svid",
    subject: { kind: "step", stepId: "step_1" },
    spiffeId: step.spiffeId,
    authorityId: "auth_1",
    jti: "AAECAw",
    audiences: ["https://mcp.example.org/search"],
    grant,
    notBefore: 1_790_000_000 as UnixSeconds,
    expiresAt: 1_790_000_120 as UnixSeconds,
    toBeSignedSha256: "00ff".repeat(16),
    issuedAt: 1_790_000_005_000_001 as UnixMicros,
  };
  const row = { ...record, sequence: 8, undelivered: false, step };
  const before = 1_790_000_119_999_999 as UnixMicros;
  const after = 1_790_000_120_000_000 as UnixMicros;
  const revoked = { revokedAt: 1_790_000_010_000_000 as UnixMicros, revocationReason: "superseded" as const };

  test("is told with its step", () => {
    const message = create(IssuanceSchema, issuanceMessageOf(row, before));
    expect(message).toMatchObject({
      issuanceId: "iss_1",
      kind: 2,
      stepId: "step_1",
      stepName: { runId: "run-1", step: "search", attempt: 2 },
      entryId: "",
      agent: "researcher",
      jti: "AAECAw",
      serialNumber: "",
      issuedAt: { seconds: 1_790_000_005n, nanos: 1_000 },
      sequence: 8n,
    });
    expect(Buffer.from(message.toBeSignedSha256).toString("hex")).toBe("00ff".repeat(16));
  });

  test("of infrastructure is told with its entry, and without a step", () => {
    const { step: _, ...without } = row;
    const infrastructure = { ...without, subject: { kind: "infrastructure" as const, entryId: "entry_9" } };
    const message = create(IssuanceSchema, issuanceMessageOf(infrastructure, before));
    expect([message.entryId, message.stepId, message.stepName, message.agent]).toEqual(["entry_9", "", undefined, ""]);
  });

  test.for([
    { state: "live up to its expiry", row, now: before, number: 1 },
    { state: "expired from its expiry on", row, now: after, number: 2 },
    { state: "revoked", row: { ...row, ...revoked }, now: before, number: 3 },
    { state: "revoked for ever", row: { ...row, ...revoked }, now: after, number: 3 },
    { state: "undelivered, whatever else", row: { ...row, ...revoked, undelivered: true }, now: after, number: 4 },
  ])("is $state", ({ row: one, now, number }) => {
    expect(issuanceMessageOf(one, now).state).toBe(number);
  });

  test("has a kind on the wire for each of its kinds, and back", () => {
    const kinds: readonly SvidKind[] = ["x509-svid", "jwt-svid", "wit-svid", "txn-token"];
    expect(kinds.map((kind) => svidKindMessageOf(kind))).toEqual([1, 2, 3, 4]);
    expect(kinds.map((kind) => svidKindOf(svidKindMessageOf(kind)))).toEqual(kinds);
    expect(svidKindOf(0)).toBeUndefined();
  });
});

describe("a decision", () => {
  const decision: Decision & { sequence: number } = {
    decisionId: "dec_1",
    act: "open",
    effect: "deny",
    reason: "POLICY_DENIED",
    decidedAt: 1_790_000_000_000_000 as UnixMicros,
    callerEntryId: "entry_2",
    agent: "researcher",
    runId: "run-1",
    step: "search",
    requested: grant,
    granted: [],
    refused: grant,
    determiningPolicies: ["ceiling"],
    policyDigest: "ab",
    count: 3,
    sequence: 5,
  };

  test("that denied is told with its reason and with what was refused", () => {
    const message = create(DecisionSchema, decisionMessageOf(decision));
    expect(message).toMatchObject({
      effect: 2,
      reason: "POLICY_DENIED",
      stepName: { runId: "run-1", step: "search", attempt: 0 },
      determiningPolicies: ["ceiling"],
      granted: { elements: [] },
      refused: { elements: [{ identifier: "search" }] },
      count: 3,
      sequence: 5n,
    });
  });

  test("of a caller without any step has no step's name", () => {
    const { runId: _, step: __, ...without } = decision;
    expect(create(DecisionSchema, decisionMessageOf(without)).stepName).toBeUndefined();
  });

  const by = {
    runtime: "flow" as Segment,
    parent: {
      agent: "planner" as Segment,
      name: { runId: "run-1" as Segment, step: "plan" as Segment, attempt: 1 },
    },
    selectors: ["unix:uid:1000"],
  };
  const told = {
    runtime: "flow",
    parentAgent: "planner",
    parent: { runId: "run-1", step: "plan", attempt: 1 },
    selectors: ["unix:uid:1000"],
  };

  test("says who opened the step where no policy was asked, and nothing of a situation", () => {
    const message = create(DecisionSchema, decisionMessageOf({ ...decision, opening: by }));
    expect(message).toMatchObject({ opening: told });
    expect(message.situation).toBeUndefined();
    expect(create(DecisionSchema, decisionMessageOf(decision)).opening).toBeUndefined();
  });

  test("says for which policies an approval was given, and of which elements fewer calls were left", () => {
    const situation: Situation = {
      ...by,
      policyVersion: 1,
      facts: { classes: [], actions: [], stepsOpen: 0, steps: 0 },
      risk: { domain: "low", agent: "low", run: "low" },
      depth: 1,
      at: decision.decidedAt,
      approved: "operators",
      approvedPolicies: ["site.payments", "site.writes"],
      fewerCalls: [{ element: 1, calls: 2 }],
    };
    expect(create(DecisionSchema, decisionMessageOf({ ...decision, situation }))).toMatchObject({
      situation: {
        ...told,
        approved: "operators",
        approvedPolicies: ["site.payments", "site.writes"],
        fewerCalls: [{ element: 1, calls: 2 }],
      },
    });
  });
});

describe("a process", () => {
  test("comes back as it was", () => {
    expect(processOfMessage(create(ProcessSchema, processMessageOf(opener)))).toEqual(opener);
  });

  test("may be named by its pid alone, but not by none", () => {
    expect(processOfMessage(create(ProcessSchema, { pid: 7 }))).toEqual({ pid: 7 });
    expect(() => processOfMessage(create(ProcessSchema, {}))).toThrow(
      expect.objectContaining({ metadata: { field: "process.pid" } }),
    );
  });

  test.for([
    { wanted: "nobody", message: undefined, executor: { kind: "self" } },
    { wanted: "self", message: { executor: { case: "self" as const, value: {} } }, executor: { kind: "self" } },
    { wanted: "any", message: { executor: { case: "any" as const, value: {} } }, executor: { kind: "any" } },
    { wanted: "a pid", message: { executor: { case: "pid" as const, value: 7 } }, executor: { kind: "pid", pid: 7 } },
  ])("as executor: $wanted", ({ message, executor }) => {
    expect(executorOfMessage(message === undefined ? undefined : create(ExecutorSchema, message))).toEqual(executor);
  });

  test("as executor of a kind that is not known here is refused, not taken for the opener", () => {
    expect(() => executorOfMessage(create(ExecutorSchema, {}))).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "executor" } }),
    );
  });
});
