import { createHash } from "node:crypto";
import type { Channel } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { FILES, SEARCH, WRITE_FILES } from "./entries.ts";
import { type FeedWatch, isOfStep, watchFeed } from "./feed-watch.ts";
import { jtiOf, OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";

describe("the feed of a real broker", () => {
  let daemon: Daemon;
  let operator: Operator;
  let runtime: Runtime;
  let channel: Channel;

  beforeAll(async () => {
    daemon = await startDaemon({ entries: OWN_ENTRIES });
    operator = operatorOf(daemon.operatorSocket);
    runtime = runtimeAt(daemon.workloadSocket);
    channel = openChannel(daemon.workloadSocket);
  });
  afterAll(async () => {
    channel?.close();
    runtime?.[Symbol.dispose]();
    operator?.[Symbol.dispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  function watch(...hello: Parameters<typeof watchFeed> extends [unknown, ...infer Rest] ? Rest : never): FeedWatch {
    const watching = watchFeed(channel, ...hello);
    onTestFinished(() => watching.cancel());
    return watching;
  }

  /** One that has its snapshot, and the cursor of it. */
  async function watchFromNow(audience = SEARCH) {
    const watching = watch({ audiences: [audience] });
    const { cursor } = await watching.first("snapshot", ({ last }) => last);
    return { watching, cursor };
  }

  const refusal = (reason: string, field?: string) => ({
    reason,
    ...(field === undefined ? {} : { metadata: { field } }),
  });

  describe("begins", () => {
    test("with the keys of the trust domain, then all that is denied, whole", async () => {
      const step = await runtime.open();
      await runtime.close(step);
      const watching = watch({ audiences: [SEARCH] });
      const denial = await watching.denied(step.stepId);
      expect(watching.received.map(({ message }) => message.case)).toEqual(["bundle", "snapshot"]);
      expect(watching.all("snapshot")).toMatchObject([{ last: true, cursor: expect.any(Uint8Array) }]);
      const [bundle] = watching.all("bundle");
      expect(bundle).toMatchObject({ trustDomain: "spiffe://example.org", issuer: "https://broker.example.org" });
      expect(JSON.parse(Buffer.from(bundle?.jwks ?? []).toString()).keys.length).toBeGreaterThan(0);
      const { step: closed } = await runtime.steps.get({ by: { case: "stepId", value: step.stepId } });
      expect(denial.sequence).toBe(closed?.closedSequence);
    });

    test("nowhere twice: a second hello ends the stream", async () => {
      const { watching } = await watchFromNow();
      watching.send({ case: "hello", value: {} });
      expect(await watching.failure()).toMatchObject(refusal("INVALID_FIELD", "message"));
    });

    test.for([
      { what: "a ping", message: { case: "ping", value: { nonce: Buffer.from("n") } } },
      { what: "an acknowledgement", message: { case: "acknowledge", value: { cursor: Buffer.from("c") } } },
      { what: "an empty message", message: { case: undefined } },
    ] as const)("with a hello: $what before it is refused", async ({ message }) => {
      const watching = watchFeed(channel, null);
      onTestFinished(() => watching.cancel());
      watching.send(message);
      expect(await watching.failure()).toMatchObject(refusal("INVALID_FIELD", "message"));
    });

    test.for([
      { what: "an audience that the entry does not name", audiences: ["https://else.example/mcp"] },
      { what: "audiences that no single entry names", audiences: [SEARCH, FILES] },
    ])("not for $what", async ({ audiences }) => {
      expect(await watch({ audiences }).failure()).toMatchObject({
        codeName: "INVALID_ARGUMENT",
        reason: "AUDIENCE_INVALID",
      });
    });

    test.for([
      { bound: "above the entry's", audiences: [FILES], maxStalenessSeconds: 20.5 },
      { bound: "above what anybody may have", audiences: [SEARCH], maxStalenessSeconds: 61 },
      { bound: "of nothing", audiences: [SEARCH], maxStalenessSeconds: 0 },
      { bound: "of less than nothing", audiences: [SEARCH], maxStalenessSeconds: -1 },
    ])("not with a bound of staleness $bound", async ({ audiences, maxStalenessSeconds }) => {
      expect(await watch({ audiences, maxStalenessSeconds }).failure()).toMatchObject({
        codeName: "INVALID_ARGUMENT",
        ...refusal("INVALID_FIELD", "max_staleness"),
      });
    });

    test("with the entry's own bound of staleness, which receipts reckon with", async () => {
      const watching = watch({ audiences: [FILES], maxStalenessSeconds: 20 });
      await watching.first("snapshot");
      const { verifiers } = await operator.history.listVerifiers({});
      const own = verifiers.filter((one) => one.name === "mcp-2" && one.connected);
      expect(own).toMatchObject([{ maxStaleness: { seconds: 20n, nanos: 0 }, audiences: [FILES] }]);
    });
  });

  describe("a denial", () => {
    test("names the step by its id and the hash of its identity, why it ended, and how long to keep that", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      const { sequence } = await runtime.close(step);
      expect(await watching.denied(step.stepId)).toMatchObject({
        subject: {
          value: { stepId: step.stepId, spiffeIdSha256: createHash("sha256").update(step.spiffeId).digest() },
        },
        reason: "cessationOfOperation",
        state: StepState.COMPLETED,
        sequence,
      });
    });

    test("is kept until the last credential's end, the leeway and the skew are over", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      await runtime.close(step);
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
      const { forgetAfter } = await watching.denied(step.stepId);
      expect(forgetAfter?.seconds).toBe((issuances[0]?.expiresAt?.seconds ?? 0n) + 10n);
    });

    test("says no name of a run, step or agent: not one byte of what was sent holds any", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      await runtime.close(step);
      await watching.denied(step.stepId);
      await watching.ping();
      const sent = Buffer.concat(watching.received.map(({ bytes }) => bytes));
      const names = [step.name?.runId, step.name?.step, step.agent, step.spiffeId, "/run/"];
      expect(names.filter((name) => name === undefined || sent.includes(name))).toEqual([]);
    });

    test("of one token names it by issuer and jti", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      const jti = jtiOf(step.token);
      await operator.revocations.revoke({ target: { case: "jti", value: jti }, reason: "keyCompromise" });
      const denied = await watching.first("denied");
      expect(denied.denials).toMatchObject([
        {
          subject: { case: "jwt", value: { issuer: "https://broker.example.org", jti } },
          reason: "keyCompromise",
          state: StepState.REVOKED,
        },
      ]);
      await runtime.close(step);
    });

    test("of one certificate names it by its CA and serial number, and concerns every watcher", async () => {
      const { watching } = await watchFromNow(FILES);
      const step = await runtime.open();
      const { svid } = await runtime.credentials.issueX509Svid({
        stepId: step.stepId,
        csr: certificationRequest(p256()),
      });
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
      const issuance = issuances.find((one) => one.issuanceId === svid?.issuanceId);
      await operator.revocations.revoke({ target: { case: "serialNumber", value: issuance?.serialNumber ?? "" } });
      const denied = await watching.first("denied");
      expect(denied.denials).toMatchObject([
        { subject: { case: "certificate", value: { serialNumber: issuance?.serialNumber } } },
      ]);
      const [{ subject } = {}] = denied.denials;
      expect(subject?.case === "certificate" && Buffer.from(subject.value.issuer).toString()).toContain("example.org");
      await runtime.close(step);
    });

    test("comes for a child with its parent, whose close ended it", async () => {
      const { watching } = await watchFromNow();
      const parent = await runtime.open();
      const child = await runtime.open({
        runId: parent.name?.runId ?? "",
        step: "child",
        parentStepId: parent.stepId,
      });
      const { sequence } = await runtime.close(parent);
      expect(await watching.denied(child.stepId)).toMatchObject({ state: StepState.CANCELLED, sequence });
      expect(await watching.denied(parent.stepId)).toMatchObject({ state: StepState.COMPLETED, sequence });
    });
  });

  describe("only what concerns a watcher's audiences is sent", () => {
    test("a step at another place appears neither as it ends nor in a snapshot", async () => {
      const { watching } = await watchFromNow(SEARCH);
      const theirs = await runtime.open({ grant: { elements: [WRITE_FILES] } });
      const own = await runtime.open();
      await runtime.close(theirs);
      await runtime.close(own);
      await watching.denied(own.stepId);
      const { watching: later } = await watchFromNow(SEARCH);
      const seen = [...watching.denials(), ...later.denials()];
      expect(seen.filter((one) => isOfStep(one, theirs.stepId))).toEqual([]);
      expect(seen.filter((one) => isOfStep(one, own.stepId))).toHaveLength(2);
    });

    test("a step that holds an X.509-SVID concerns all, for it may be presented anywhere", async () => {
      const { watching } = await watchFromNow(SEARCH);
      const step = await runtime.open({ grant: { elements: [WRITE_FILES] } });
      await runtime.credentials.issueX509Svid({ stepId: step.stepId, csr: certificationRequest(p256()) });
      await runtime.close(step);
      expect(await watching.denied(step.stepId)).toBeDefined();
    });

    test("a step that never had a credential is nothing that anybody could present", async () => {
      const { watching } = await watchFromNow();
      const { step } = await runtime.steps.open({ runId: "run-without", step: "idle", agent: "researcher" });
      await runtime.steps.close({ stepId: step?.stepId ?? "", outcome: 1 });
      await watching.ping();
      expect(watching.all("denied")).toEqual([]);
    });

    test("a watcher that asks for nothing is sent all that its entry names", async () => {
      const watching = watch({});
      await watching.first("snapshot");
      const step = await runtime.open();
      await runtime.close(step);
      await watching.denied(step.stepId);
    });
  });

  describe("a cursor", () => {
    test("resumes with exactly what was missed, and no snapshot", async () => {
      const { watching, cursor } = await watchFromNow();
      const before = await runtime.open();
      await runtime.close(before);
      await watching.denied(before.stepId);
      const { cursor: left } = await watching.ping();
      watching.cancel();
      const missed = [await runtime.open(), await runtime.open(), await runtime.open()];
      for (const step of missed) await runtime.close(step);

      const resumed = watch({ cursor: left, audiences: [SEARCH] });
      await resumed.ping();
      expect(resumed.all("snapshot")).toEqual([]);
      expect(resumed.denials().map((one) => one.subject.value)).toMatchObject(missed.map(({ stepId }) => ({ stepId })));
      // An older one of the same stream leads to more, never to less.
      const fromEarlier = watch({ cursor, audiences: [SEARCH] });
      await fromEarlier.ping();
      expect(fromEarlier.denials()).toHaveLength(missed.length + 1);
    });

    test("of a denial or of a pong resumes alike", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      await runtime.close(step);
      await watching.denied(step.stepId);
      const [denied] = watching.all("denied");
      const resumed = watch({ cursor: denied?.cursor ?? new Uint8Array(), audiences: [SEARCH] });
      await resumed.ping();
      expect(resumed.denials()).toEqual([]);
      expect(resumed.all("snapshot")).toEqual([]);
    });

    test("that this broker did not give is refused, whether made up, changed or cut", async () => {
      const { cursor } = await watchFromNow();
      const changed = Uint8Array.from(cursor, (byte, index) => (index === cursor.length - 1 ? byte ^ 1 : byte));
      for (const forged of [Buffer.from("cursor"), changed, cursor.subarray(0, -1), Buffer.alloc(4_096, 0x41)]) {
        expect(await watch({ cursor: forged, audiences: [SEARCH] }).failure()).toMatchObject({
          codeName: "INVALID_ARGUMENT",
          ...refusal("INVALID_FIELD", "cursor"),
        });
      }
    });
  });

  describe("a ping", () => {
    test("is answered with its nonce, the broker's time, and through where everything was sent", async () => {
      const { watching } = await watchFromNow();
      const step = await runtime.open();
      const { sequence } = await runtime.close(step);
      const nonce = Buffer.from("a nonce of mine");
      watching.send({ case: "ping", value: { nonce } });
      const pong = await watching.first("pong");
      expect(Buffer.from(pong.nonce)).toEqual(nonce);
      expect(pong.sequence).toBeGreaterThanOrEqual(sequence);
      expect(Math.abs(Number(pong.brokerTime?.seconds) * 1_000 - Date.now())).toBeLessThan(30_000);
    });

    test("sent after a close has returned is answered after that close's denial, however busy the broker", async () => {
      const { watching } = await watchFromNow();
      const steps = await Promise.all(Array.from({ length: 40 }, () => runtime.open()));
      const outcomes = await Promise.all(
        steps.map(async (step) => {
          const { sequence } = await runtime.close(step);
          const pong = await watching.ping();
          return { stepId: step.stepId, sequence, pong };
        }),
      );
      const position = (fits: (message: FeedWatch["received"][number]["message"]) => boolean) =>
        watching.received.findIndex(({ message }) => fits(message));
      for (const { stepId, sequence, pong } of outcomes) {
        const denial = position((one) => one.case === "denied" && one.value.denials.some((d) => isOfStep(d, stepId)));
        const answer = position((one) => one.case === "pong" && one.value === pong);
        expect(denial).toBeGreaterThanOrEqual(0);
        expect(denial).toBeLessThan(answer);
        expect(pong.sequence).toBeGreaterThanOrEqual(sequence);
      }
      const sequences = watching.all("denied").flatMap(({ denials }) => denials.map((one) => one.sequence));
      expect(sequences).toEqual(sequences.toSorted((a, b) => Number(a - b)));
    });

    test.for([{ bytes: 0 }, { bytes: 33 }])("with a nonce of $bytes bytes ends the stream", async ({ bytes }) => {
      const { watching } = await watchFromNow();
      watching.send({ case: "ping", value: { nonce: Buffer.alloc(bytes, 1) } });
      expect(await watching.failure()).toMatchObject(refusal("INVALID_FIELD", "nonce"));
    });

    test("is answered no more once the entry is disabled", async () => {
      const { entry } = await operator.entries.create({
        content: {
          name: "mcp-3",
          selectors: [`unix:uid:${process.getuid?.()}`],
          kind: { case: "verifier", value: { audiences: ["https://third.example"] } },
        },
      });
      const { watching } = await watchFromNow("https://third.example");
      await watching.ping();
      await operator.entries.disable({ entry: entry?.entryId ?? "" });
      await expect(watching.ping()).rejects.toMatchObject(refusal("NOT_ENTITLED"));
      expect(await watch({ audiences: ["https://third.example"] }).failure()).toMatchObject(
        refusal("AUDIENCE_INVALID"),
      );
    });
  });

  describe("an acknowledgement", () => {
    test("of what was sent moves the watcher's receipt", async () => {
      const { watching } = await watchFromNow();
      const { cursor, sequence } = await watching.ping();
      watching.acknowledge(cursor);
      await watching.ping();
      const { verifiers } = await operator.history.listVerifiers({});
      expect(verifiers.filter((one) => one.connected && one.acknowledgedSequence >= sequence)).toHaveLength(1);
    });

    test("of a cursor that the broker never gave ends the stream", async () => {
      const { watching } = await watchFromNow();
      watching.acknowledge(Buffer.from("made up"));
      expect(await watching.failure()).toMatchObject(refusal("INVALID_FIELD", "cursor"));
    });
  });
});
