import process from "node:process";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Channel, Client, credentials as channelCredentials, Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { isWithin } from "../../src/domain/grant.ts";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Credentials, type JwtSvid } from "../../src/gen/stint/v1/credentials_pb.js";
import { Entries } from "../../src/gen/stint/v1/entries_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { OpenRequestSchema, Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";
import { knownGrantOf } from "../../src/wire/grant-message.ts";
import { methodDefinitionOf } from "../../src/wire/service-definition.ts";
import { type Daemon, isFault, startDaemon } from "../daemon.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

// Goal: whatever a caller puts into a call, it is answered, by what it asked for or by one of the reasons that there are, and
// the daemon goes on serving. What is granted is never more than was asked and may be.
// Method: fast-check draws calls most of whose fields are good, so that one bad field is met by the code behind it; and bytes.
// A failure prints its seed; replay it with FC_SEED=<seed> npx vitest run test/e2e/hostile-calls.test.ts; FC_RUNS=<n> for more.

const seed = process.env["FC_SEED"];
const parameters = {
  numRuns: Number(process.env["FC_RUNS"] ?? 150),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
};

const selectors = [`unix:uid:${process.getuid?.() ?? 0}`];
const WRITE = { ...READ_SEARCH, identifier: "store", actions: ["read", "write"] };
const CEILING = [READ_SEARCH, WRITE];
const AGENT = { kind: "agent", name: "worker", selectors, ceiling: CEILING, may_open: true, allow_any_executor: true };
const CALL_MS = 15_000;

/** Text that some program, somewhere, has taken for something else. */
const hostileText = fc.oneof(
  fc.constantFrom(
    ...[
      "",
      ".",
      "..",
      "../../etc/passwd",
      "a/b",
      "a\\b",
      "%2e%2e%2f",
      "a\u0000b",
      "\u202efdp",
      "\u0430dmin",
      "a\u0301",
      "*",
    ],
    ...["__proto__", "constructor", "toString", "' OR 1=1--", "%", "_", "1; DROP TABLE step", "#{7*7}", "%s%n"],
    ...[
      "\n",
      "\r\n",
      "\u001b[2J",
      "\u2028",
      '"}',
      "\uffff",
      "\u{1f600}",
      "x".repeat(128),
      "x".repeat(129),
      "é".repeat(3_000),
    ],
    ...[
      "spiffe://example.org/agent/x",
      "https://search.example/mcp/",
      "HTTPS://search.example/mcp",
      "https://a@b/",
      "urn:x",
      "a:b",
    ],
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
);
/** Mostly one of these. */
const mostly = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: good, weight: 12 }, { arbitrary: bad, weight: 1 });
const text = (...good: readonly string[]) => mostly(fc.constantFrom(...good), hostileText);
const texts = (...good: readonly string[]) => fc.array(text(...good), { maxLength: 4 });

const seconds = fc.oneof(fc.bigInt(-5n, 100_000n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const nanos = fc.oneof(fc.constant(0), fc.integer());
const now = () => BigInt(Math.floor(Date.now() / 1_000));
const timestamp = mostly(
  fc.bigInt(11n, 900n).map((ahead) => ({ seconds: now() + ahead, nanos: 0 })),
  fc.record({ seconds, nanos }),
);
const duration = mostly(
  fc.bigInt(1n, 600n).map((long) => ({ seconds: long, nanos: 0 })),
  fc.record({ seconds, nanos }),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 1 });
const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(certificationRequest(p256())));

const element = fc.record({
  type: text("mcp_tool"),
  locations: fc.oneof({ arbitrary: fc.constant([SEARCH]), weight: 4 }, { arbitrary: texts(SEARCH), weight: 1 }),
  identifier: text("search", "store", "*"),
  actions: fc.oneof({ arbitrary: fc.constant(["read"]), weight: 4 }, { arbitrary: texts("read", "write"), weight: 1 }),
  datatypes: fc.oneof({ arbitrary: fc.constant(["internal"]), weight: 4 }, { arbitrary: texts("internal"), weight: 1 }),
});
const grant = fc.record({ elements: fc.array(element, { maxLength: 3 }) });
const wanted = fc.record(
  {
    audiences: fc.oneof({ arbitrary: fc.constant([SEARCH]), weight: 3 }, { arbitrary: texts(SEARCH), weight: 1 }),
    grant,
    cnf: mostly(
      fc.constant(undefined),
      fc.record({
        confirmation: fc.record({ case: fc.constant("jkt" as const), value: fc.uint8Array({ maxLength: 40 }) }),
      }),
    ),
  },
  { requiredKeys: ["audiences"] },
);

const executor = fc.oneof(
  fc.constant(undefined),
  fc.constant({ executor: { case: "self" as const, value: {} } }),
  fc.constant({ executor: { case: "any" as const, value: {} } }),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((pid) => ({ executor: { case: "pid" as const, value: pid } })),
  fc.constant({ executor: { case: "pid" as const, value: process.pid } }),
);
const openRequest = fc
  .record({
    runId: text("run-a", "run-b", "run-c"),
    step: text("one", "two", "three"),
    attempt: maybe(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    agent: text("worker"),
    workflow: text("", "weekly"),
    purpose: text("", "for the tests"),
    grant: maybe(grant),
    audiences: mostly(fc.constant<string[]>([]), texts(SEARCH)),
    expiresAt: maybe(timestamp),
    lease: maybe(duration),
    parentStepId: text("", "", "", "step_none"),
    principalToken: text("", "", "", "eyJ"),
    executor,
    requestId: text("", "request-1"),
    allowPartial: fc.boolean(),
    credentials: maybe(fc.record({ csr: bytes, jwtSvids: fc.array(wanted, { maxLength: 3 }) })),
  })
  // A member that is absent must not be there at all.
  .map((request) => Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)));

const selectorText = text("unix:uid:12345", "unix:gid:12345", "unix:user:nobody", "unix:path:/bin/true");
const GOOD_ENTRY = {
  name: "one",
  selectors: ["unix:uid:12345"],
  kind: { case: "runtime" as const, value: { agents: ["worker"], openStepsMax: 1 } },
};
const kind = fc.oneof(
  fc.record({
    case: fc.constant("agent" as const),
    value: fc.record({
      spiffeIdTemplate: text("", "/agent/{agent}", "/team/{agent}"),
      ceiling: grant,
      audiences: texts("urn:a"),
      exchangeAudiences: mostly(fc.constant<string[]>([]), texts("urn:a")),
      stepDurationMax: duration,
      jwtSvidTtl: duration,
    }),
  }),
  fc.record({
    case: fc.constant("runtime" as const),
    value: fc.record({ agents: texts("worker"), openStepsMax: fc.nat() }),
  }),
  fc.record({
    case: fc.constant("verifier" as const),
    value: fc.record({ audiences: texts(SEARCH), maxStaleness: duration }),
  }),
  fc.record({ case: fc.constant("operator" as const), value: fc.record({ role: fc.integer({ min: 0, max: 9 }) }) }),
);

describe("whatever a caller puts into a call", () => {
  let daemon: Daemon;
  let operator: Operator;
  let channel: Channel;
  let steps: ClientOf<typeof Steps>;
  let credentials: ClientOf<typeof Credentials>;
  let workload: ClientOf<typeof SpiffeWorkloadAPI>;

  beforeAll(async () => {
    daemon = await startDaemon({ entries: [AGENT] });
    operator = operatorOf(daemon.operatorSocket);
    channel = openChannel(daemon.workloadSocket);
    steps = createClient(Steps, channel, { deadlineMs: CALL_MS });
    credentials = createClient(Credentials, channel, { deadlineMs: CALL_MS });
    workload = createClient(SpiffeWorkloadAPI, channel, { deadlineMs: CALL_MS });
  });
  afterAll(async () => {
    channel?.close();
    operator?.[Symbol.dispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  /** Reasons of a broker that is not well, which no caller may be able to make it. */
  const UNWELL: readonly ErrorCode[] = ["LEDGER_UNAVAILABLE", "AUTHORITY_UNAVAILABLE", "NOT_SERVING"];

  /** The answer, or `undefined` for a refusal with a reason; anything else is a bug. */
  async function answerOf<T>(called: Promise<T>): Promise<T | undefined> {
    try {
      return await called;
    } catch (thrown) {
      const { codeName, reason, message } = callErrorOf(thrown);
      if (reason === undefined || UNWELL.includes(reason)) expect.fail(`${codeName} ${reason}: ${message}`);
      return undefined;
    }
  }

  async function openStep(runId: string): Promise<Step> {
    const { step } = await steps.open({ runId, step: "good", agent: "worker", grant: { elements: CEILING } });
    if (step === undefined) throw new TypeError("no step in the answer");
    return step;
  }

  function expectWithin(step: Step, svid: JwtSvid | undefined): void {
    if (svid === undefined) return;
    const { exp = 0, sub, authorization_details: details = [] } = decodeJwt(svid.svid);
    expect(sub).toBe(step.spiffeId);
    expect(exp).toBeLessThanOrEqual(Number(step.expiresAt?.seconds));
    expect(isWithin(details as never, knownGrantOf(step.grant))).toBe(true);
  }

  test("a step that is opened has the name that was asked for, and no more than was asked for and may be", {
    timeout: 60_000,
  }, async () => {
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(openRequest, async (request) => {
        const answer = await answerOf(steps.open(request));
        const { step } = answer ?? {};
        if (step === undefined) return;
        opened += 1;
        const name = `run/${request["runId"]}/step/${request["step"]}/${step.name?.attempt}`;
        expect(step.spiffeId).toBe(`spiffe://example.org/agent/worker/${name}`);
        expect(name).toMatch(/^run\/[A-Za-z0-9._-]{1,128}\/step\/[A-Za-z0-9._-]{1,128}\/[1-9][0-9]*$/);
        const granted = knownGrantOf(step.grant);
        expect(isWithin(granted, CEILING as never)).toBe(true);
        expect(isWithin(granted, knownGrantOf(request["grant"] as never))).toBe(true);
        for (const { outcome } of answer?.jwtSvids ?? [])
          if (outcome.case === "svid") expectWithin(step, outcome.value);
        await answerOf(steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED }));
      }),
      parameters,
    );
    // Had all been refused, nothing behind the first check would have been tried.
    expect(opened).toBeGreaterThan(parameters.numRuns / 20);
  });

  test("a credential is within its step, or refused", { timeout: 60_000 }, async () => {
    // Several, since each is only issued so many a second.
    const open = await Promise.all(Array.from({ length: 8 }, (_, index) => openStep(`issuing-${index}`)));
    let issued = 0;
    const stepId = mostly(fc.constantFrom(...open.map((step) => step.stepId)), hostileText);
    await fc.assert(
      fc.asyncProperty(stepId, fc.array(wanted, { maxLength: 3 }), bytes, async (id, several, csr) => {
        const step = open.find((one) => one.stepId === id);
        const [single] = several;
        const one = await answerOf(
          credentials.issueJwtSvid({ stepId: id, ...(single === undefined ? {} : { wanted: single as never }) }),
        );
        const batch = await answerOf(credentials.issueJwtSvids({ stepId: id, wanted: several as never }));
        const x509 = await answerOf(credentials.issueX509Svid({ stepId: id, csr }));
        const audience = several.flatMap((each) => (each as { audiences: string[] }).audiences);
        const fetched = await answerOf(workload.fetchJWTSVID({ audience, spiffeId: step?.spiffeId ?? `x${id}` }));
        for (const { svid: token, spiffeId } of fetched?.svids ?? []) {
          expect(spiffeId).toBe(step?.spiffeId);
          expect(audience).toEqual(decodeJwt(token).aud);
          for (const one of audience)
            await answerOf(workload.validateJWTSVID({ audience: one, svid: `${token}${id}` }));
        }
        const svids = (batch?.outcomes ?? []).flatMap(({ outcome }) =>
          outcome.case === "svid" ? [outcome.value] : [],
        );
        if (step === undefined) {
          expect([one, batch, x509]).toEqual([undefined, undefined, undefined]);
          return;
        }
        for (const svid of [one?.svid, ...svids]) expectWithin(step, svid);
        issued += svids.length;
      }),
      parameters,
    );
    expect(issued).toBeGreaterThan(parameters.numRuns / 20);
    for (const step of open) await steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
  });

  test("an entry that is created says what it was given, or is refused", { timeout: 60_000 }, async () => {
    let created = 0;
    const content = fc.record({ name: text("one", "two"), selectors: fc.array(selectorText, { maxLength: 3 }), kind });
    await fc.assert(
      fc.asyncProperty(content, async (given) => {
        const answer = await answerOf(operator.entries.create({ content: given as never }));
        if (answer?.entry === undefined) return;
        created += 1;
        expect(answer.entry.content).toMatchObject({ name: given.name, selectors: given.selectors });
        expect(answer.entry.spiffeId).toMatch(/^spiffe:\/\/example\.org(\/[A-Za-z0-9._-]+)+$/);
        await operator.entries.delete({ entry: answer.entry.entryId });
      }),
      // Of what is drawn all may be refused; this one must not be.
      { ...parameters, examples: [[GOOD_ENTRY]] },
    );
    expect(created).toBeGreaterThan(0);
  });

  test("a search finds what it names and nothing else, or is refused", { timeout: 60_000 }, async () => {
    const kept = await openStep("kept");
    const filter = fc.record(
      {
        runId: text("", "kept"),
        step: text("", "good"),
        stepId: text("", kept.stepId),
        agent: text("", "worker"),
        pageSize: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
        pageToken: mostly(fc.constant(""), fc.oneof(hostileText, fc.nat().map(String))),
        since: timestamp,
        until: timestamp,
      },
      { requiredKeys: ["runId", "step", "stepId", "agent"] },
    );
    await fc.assert(
      fc.asyncProperty(filter, hostileText, async (given, value) => {
        const found = await answerOf(operator.history.listSteps({ filter: given }));
        for (const step of found?.steps ?? []) {
          if (given.runId !== "") expect(step.name?.runId).toBe(given.runId);
          if (given.agent !== "") expect(step.agent).toBe(given.agent);
        }
        const issuances = await answerOf(
          operator.history.listIssuances({ filter: given, jti: value, serialNumber: value }),
        );
        if (value !== "") expect(issuances?.issuances ?? []).toEqual([]);
        await answerOf(operator.history.listDecisions({ filter: given, decisionId: value }));
        await answerOf(operator.history.listEvents({ filter: given, type: value }));
        await answerOf(operator.entries.list({ pageToken: value }));
        await answerOf(operator.entries.get({ entry: value }));
        await answerOf(operator.revocations.revoke({ target: { case: "runId", value }, reason: value, dryRun: true }));
      }),
      { ...parameters, numRuns: Math.ceil(parameters.numRuns / 4) },
    );
    expect((await operator.steps.get({ by: { case: "stepId", value: kept.stepId } })).step?.state).toBe(StepState.OPEN);
    await steps.close({ stepId: kept.stepId, outcome: Outcome.COMPLETED });
  });

  test("bytes that may be a message or none are answered, whatever the method", { timeout: 60_000 }, async () => {
    const methods = [
      ...[...Steps.methods, ...Credentials.methods, ...SpiffeWorkloadAPI.methods].map((method) => ({
        method,
        channel,
      })),
      ...[...History.methods, ...Entries.methods].map((method) => ({ method, channel: operator.channel })),
    ].filter(({ method }) => method.methodKind === "unary");
    const metadata = new Metadata();
    metadata.set("workload.spiffe.io", "true");
    const send = (at: (typeof methods)[number], request: Uint8Array) =>
      new Promise<Uint8Array>((resolve, reject) => {
        const client = new Client("", channelCredentials.createInsecure(), { channelOverride: at.channel });
        client.makeUnaryRequest(
          methodDefinitionOf(at.method).path,
          (sent: Uint8Array) => Buffer.from(sent),
          (received) => received,
          request,
          metadata,
          { deadline: Date.now() + CALL_MS },
          (error, response) => (error === null ? resolve(response ?? new Uint8Array()) : reject(error)),
        );
      });
    const encoded = openRequest.map((request) => toBinary(OpenRequestSchema, create(OpenRequestSchema, request)));
    const mutated = fc
      .tuple(encoded, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }), fc.nat())
      .map(([whole, changes, cut]) => {
        let changed = whole;
        for (const [at, value] of changes)
          changed = changed.length === 0 ? changed : changed.with(at % changed.length, value);
        return changed.subarray(0, changed.length - (cut % 3 === 0 ? cut % (changed.length + 1) : 0));
      });
    const request = fc.oneof(fc.uint8Array({ maxLength: 120 }), mutated);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), request, async (at, sent) => {
        await answerOf(send(at, sent));
      }),
      { ...parameters, numRuns: parameters.numRuns * 2 },
    );
  });

  test("a grant that is refused is recorded, however large, or it is too large to be asked for", async () => {
    const beyond = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...READ_SEARCH,
        identifier: `tool-${index}`,
        locations: [`${SEARCH}/${"x".repeat(800)}`],
      }));
    const request = { runId: "large", step: "one", agent: "worker" };
    const refused = await steps.open({ ...request, grant: { elements: beyond(20) } }).catch(callErrorOf);
    expect(refused).toMatchObject({ reason: "POLICY_DENIED" });
    const { message, metadata } = callErrorOf(refused);
    // It travels in trailers, where some clients take no more than 8 KiB.
    expect(message.length).toBeLessThan(1_200);
    const { decisions } = await operator.history.listDecisions({ decisionId: metadata["decision_id"] ?? "" });
    expect(decisions[0]?.refused?.elements).toHaveLength(20);
    await expect(steps.open({ ...request, grant: { elements: beyond(64) } })).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
    });
  });

  test("it has neither ended the daemon nor upset it, and its log is one object a line without a secret in it", async () => {
    const step = await openStep("afterwards");
    const { svid } = await credentials.issueJwtSvid({ stepId: step.stepId, wanted: { audiences: [SEARCH] } });
    const token = svid?.svid ?? "";
    // By mistake, or to have it written down where it can be read later.
    await expect(steps.close({ stepId: token, outcome: Outcome.COMPLETED })).rejects.toMatchObject({
      reason: "STEP_NOT_FOUND",
    });
    await steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
    expect(daemon.child.exitCode).toBeNull();
    const lines = daemon.stderr().trimEnd().split("\n");
    for (const line of lines) expect(JSON.parse(line)).toEqual(expect.any(Object));
    expect(daemon.log.filter((line) => isFault(line) || line["outcome"] === "INTERNAL")).toEqual([]);
    expect(daemon.stderr()).not.toContain(token.slice(0, 40));
    expect(await daemon.stop()).toBe(0);
  });
});
