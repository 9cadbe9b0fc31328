import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import {
  createVerifier,
  type ToolUse,
  VerificationError,
  type Verifier,
  type VerifierOptions,
} from "../../../src/sdk/verifier/index.ts";
import { codeOf } from "../../verify/code-of.ts";
import { AUDIENCE, bundleDocument, ecSigner, ISSUER, mint, NOW, SUBJECT } from "../../verify/token-forge.ts";
import { bundle, denied, deniedJwt, deniedStep, pong, snapshot, timestampMs } from "./feed-responses.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { type ScriptedBroker, scriptedBroker, type Watch } from "./scripted-broker.ts";

const own = ecSigner("own");
const JWKS = bundleDocument(own);
const NOW_MS = NOW * 1_000;
const STEP_ID = "step_0190a5f2";
const JTI = "AYh5t0Zk3Ez8yB8n2mRkQw";
const SEARCH: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };

type Scene = {
  readonly broker: ScriptedBroker;
  readonly clock: ManualClock;
  readonly verifier: Verifier;
  readonly watch: Watch;
};

function verifierAt(broker: ScriptedBroker, clock: ManualClock, options: Partial<VerifierOptions> = {}): Verifier {
  const verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock, ...options });
  onTestFinished(() => verifier.close());
  return verifier;
}

/** A verifier that is connected, and has been sent nothing yet. */
async function connected(options: Partial<VerifierOptions> = {}): Promise<Scene> {
  const broker = await scriptedBroker();
  const clock = manualClock(NOW_MS);
  const verifier = verifierAt(broker, clock, options);
  return { broker, clock, verifier, watch: await broker.nextWatch() };
}

/** Answers the next ping and waits until the verifier has taken the answer in. */
async function answer({ watch, clock }: Pick<Scene, "watch" | "clock">, cursor: string, brokerTimeMs = clock.wallMs()) {
  const { nonce } = await watch.next("ping");
  watch.send(pong(nonce, brokerTimeMs, cursor));
  expect(Buffer.from((await watch.next("acknowledge")).cursor).toString()).toBe(cursor);
}

/** A verifier that knows the keys, has an empty deny-list, and was just confirmed. */
async function ready(options: Partial<VerifierOptions> = {}): Promise<Scene> {
  const scene = await connected(options);
  scene.watch.send(snapshot([], "c1"), bundle(JWKS, { issuer: ISSUER }));
  await scene.watch.next("acknowledge");
  await answer(scene, "c2");
  return scene;
}

/** Sends and waits until it was applied. */
async function apply(watch: Watch, message: ReturnType<typeof denied>, cursor: string): Promise<void> {
  watch.send(message);
  expect(Buffer.from((await watch.next("acknowledge")).cursor).toString()).toBe(cursor);
}

/** Waits for what needs time to pass, and lets it pass. */
async function asTimePasses<Value>(clock: ManualClock, event: Promise<Value>): Promise<Value> {
  const ticking = setInterval(() => clock.advance(100), 5);
  try {
    return await event;
  } finally {
    clearInterval(ticking);
  }
}

describe("before it knows enough", () => {
  test("a verifier refuses everything, and is ready with deny-list, bundle and the broker's time", async () => {
    const scene = await connected();
    const { verifier, watch } = scene;
    const isReady = verifier.ready();
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("NOT_READY");
    watch.send(snapshot([], "c1"));
    await watch.next("acknowledge");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("NOT_READY");
    watch.send(bundle(JWKS), denied([], "c2"));
    await watch.next("acknowledge");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("NOT_READY");
    await answer(scene, "c3");
    await isReady;
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("accepted");
    await verifier.ready();
  });

  test("a verifier started before its broker finds it when it is there", async () => {
    const broker = await scriptedBroker();
    broker.stop();
    const clock = manualClock(NOW_MS);
    const verifier = verifierAt(broker, clock);
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("UNAVAILABLE"));
    await broker.start();
    await asTimePasses(clock, broker.nextWatch());
  });

  test("waiting to be ready can be given up, and ends when the verifier is closed", async () => {
    const { verifier } = await connected();
    await expect(verifier.ready({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const waiting = verifier.ready();
    const controller = new AbortController();
    const given = verifier.ready({ signal: controller.signal });
    controller.abort(new Error("too long"));
    await expect(given).rejects.toThrow("too long");
    verifier.close();
    await expect(waiting).rejects.toThrow(BrokerError);
  });
});

describe("what it says to the broker", () => {
  test("is who it is, how stale it may become, and nothing of a cursor at first", async () => {
    const { watch } = await connected({ maxStalenessSeconds: { read: 30 } });
    expect(watch.securityHeader).toBe("true");
    expect(watch.hello.audiences).toEqual([AUDIENCE]);
    expect(watch.hello.maxStaleness?.seconds).toBe(30n);
    expect(watch.hello.cursor).toHaveLength(0);
  });

  test("is a ping each second, each with a nonce of its own", async () => {
    const { watch, clock } = await connected();
    const nonces = [(await watch.next("ping")).nonce];
    for (let second = 0; second < 3; second += 1) {
      clock.advance(1_000);
      nonces.push((await watch.next("ping")).nonce);
    }
    expect(new Set(nonces.map((nonce) => Buffer.from(nonce).toString("hex"))).size).toBe(4);
    expect(nonces.every((nonce) => nonce.length >= 1 && nonce.length <= 32)).toBe(true);
  });
});

describe("a denial", () => {
  test.for([
    { of: "the step's id", denial: deniedStep(STEP_ID, "spiffe://example.org/else") },
    { of: "the hash of its SPIFFE ID", denial: deniedStep("step_else", SUBJECT) },
    { of: "the token", denial: deniedJwt(ISSUER, JTI) },
  ])("by $of refuses the token, what was verified before, and the call in flight", async ({ denial }) => {
    const { verifier, watch } = await ready();
    const verified = verifier.verify(mint(own));
    const calls = [verifier.signalFor(verified), verifier.signalFor(verified)];
    const told: VerificationError[] = [];
    verifier.onClosed(verified, (reason) => told.push(reason));
    await apply(watch, denied([denial], "c3"), "c3");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("REVOKED");
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("REVOKED");
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(calls[0]?.signal.reason).toBeInstanceOf(VerificationError);
    expect(told.map(({ code, fault }) => [code, fault])).toEqual([["REVOKED", "token"]]);
    expect(verifier.signalFor(verified).signal.aborted).toBe(true);
  });

  test.for([{ brokerAheadMs: -5_000 }, { brokerAheadMs: 0 }, { brokerAheadMs: 5_000 }])(
    "holds through every second around the token's expiry, with a broker $brokerAheadMs ms ahead",
    async ({ brokerAheadMs }) => {
      const scene = await ready();
      const { verifier, watch, clock } = scene;
      const exp = NOW + 40;
      const token = mint(own, { claims: { exp } });
      // The broker's clock put it into the token; it forgets after leeway and skew.
      const forgetAfter = timestampMs((exp + 10) * 1_000);
      await apply(watch, denied([deniedStep(STEP_ID, SUBJECT, { forgetAfter })], "c3"), "c3");
      for (let second = 1; second <= 90; second += 1) {
        clock.advance(1_000);
        await answer(scene, `second-${second}`, clock.wallMs() + brokerAheadMs);
        const expected = clock.wallMs() >= (exp + 5) * 1_000 ? "EXPIRED" : "REVOKED";
        expect(codeOf(() => verifier.verify(token))).toBe(expected);
      }
      expect(verifier.status().denied).toBe(0);
    },
  );

  test("of one token leaves the calls of the step's other tokens alone", async () => {
    const { verifier, watch } = await ready();
    const revoked = verifier.verify(mint(own));
    const other = verifier.verify(mint(own, { claims: { jti: "other" } }));
    const { signal } = verifier.signalFor(other);
    await apply(watch, denied([deniedJwt(ISSUER, JTI)], "c3"), "c3");
    expect(verifier.signalFor(revoked).signal.aborted).toBe(true);
    expect(signal.aborted).toBe(false);
    expect(codeOf(() => verifier.authorize(other, SEARCH))).toBe("accepted");
  });

  test("says in which state the step ended, and why", async () => {
    const { verifier, watch } = await ready();
    await apply(watch, denied([deniedStep(STEP_ID, SUBJECT)], "c3"), "c3");
    expect(() => verifier.verify(mint(own))).toThrow(
      expect.objectContaining({ metadata: { state: "COMPLETED", reason: "cessationOfOperation" } }),
    );
  });

  test("of another step or token changes nothing", async () => {
    const { verifier, watch } = await ready();
    const verified = verifier.verify(mint(own));
    const { signal } = verifier.signalFor(verified);
    const others = [deniedStep("step_else", `${SUBJECT}0`), deniedJwt(ISSUER, "else"), deniedJwt("https://else", JTI)];
    await apply(watch, denied(others, "c3"), "c3");
    expect(codeOf(() => verifier.authorize(verifier.verify(mint(own)), SEARCH))).toBe("accepted");
    expect(signal.aborted).toBe(false);
  });

  test("whose listener has left is not told to it", async () => {
    const { verifier, watch } = await ready();
    const verified = verifier.verify(mint(own));
    const told = vi.fn();
    verifier.onClosed(verified, told)();
    const left = verifier.signalFor(verified);
    left[Symbol.dispose]();
    await apply(watch, denied([deniedStep(STEP_ID, SUBJECT)], "c3"), "c3");
    expect(told).not.toHaveBeenCalled();
    expect(left.signal.aborted).toBe(false);
  });

  test("in a snapshot of several parts takes effect with the last of them", async () => {
    const { verifier, watch } = await connected();
    watch.send(snapshot([deniedStep(STEP_ID, SUBJECT)]), snapshot([]), bundle(JWKS), snapshot([], "c1"));
    await watch.next("acknowledge");
    const { nonce } = await watch.next("ping");
    watch.send(pong(nonce, NOW_MS));
    await verifier.ready();
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("REVOKED");
    expect(verifier.status()).toMatchObject({ connected: true, denied: 2, bundles: 1, refusal: undefined });
  });

  test("that cannot be understood ends the stream, and the next one starts with what was whole", async () => {
    const { broker, verifier, watch, clock } = await ready();
    watch.send(denied([{ reason: "superseded" }], "c3"));
    await watch.cancelled;
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("denial.subject"));
    clock.advance(2_000);
    const next = await broker.nextWatch();
    expect(Buffer.from(next.hello.cursor).toString()).toBe("c2");
  });
});

describe("after a lost connection", () => {
  test("a verifier resumes where it was, and catches up before it is fresh again", async () => {
    const { broker, verifier, clock } = await ready();
    const verified = verifier.verify(mint(own));
    const { signal } = verifier.signalFor(verified);
    broker.stop();
    await vi.waitFor(() => expect(verifier.status().connected).toBe(false));
    clock.advance(15_001);
    expect(codeOf(() => verifier.authorize(verified, { ...SEARCH, actions: ["write"] }))).toBe("STALE");
    await broker.start();
    const resumed = await asTimePasses(clock, broker.nextWatch());
    expect(Buffer.from(resumed.hello.cursor).toString()).toBe("c2");
    expect(signal.aborted).toBe(false);
    await apply(resumed, denied([deniedStep(STEP_ID, SUBJECT)], "c3"), "c3");
    expect(signal.aborted).toBe(true);
    await answer({ watch: resumed, clock }, "c4");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("REVOKED");
  });

  test("a cursor that the broker does not know is given up for a snapshot", async () => {
    const { broker, watch, clock } = await ready();
    watch.fail(new BrokerError("INVALID_FIELD", "cursor: one of this broker's", { metadata: { field: "cursor" } }));
    expect((await asTimePasses(clock, broker.nextWatch())).hello.cursor).toHaveLength(0);
  });

  test("a cursor is kept through every other refusal", async () => {
    const { broker, verifier, watch, clock } = await ready();
    watch.fail(new BrokerError("NOT_SERVING", "the ledger went back in time"));
    await vi.waitFor(() => expect(verifier.status().lastError).toBe("NOT_SERVING: the ledger went back in time"));
    const next = await asTimePasses(clock, broker.nextWatch());
    expect(Buffer.from(next.hello.cursor).toString()).toBe("c2");
  });

  test("a broker that ends the feed is asked again", async () => {
    const { broker, verifier, watch, clock } = await ready();
    watch.end();
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("ended the feed"));
    clock.advance(2_000);
    await broker.nextWatch();
  });

  test("a broker that hangs is left for a new connection", async () => {
    const { broker, watch, clock, verifier } = await ready();
    for (let second = 0; second < 12; second += 1) clock.advance(1_000);
    await watch.cancelled;
    await vi.waitFor(() => expect(verifier.status().lastError).toContain("unanswered"));
    clock.advance(2_000);
    await broker.nextWatch();
  });
});

describe("freshness", () => {
  const writes: ToolUse = { tool: "search", actions: ["write"], datatypes: ["internal"] };
  const grant = { type: "mcp_tool", locations: [AUDIENCE], identifier: "search", datatypes: ["internal"] };
  const token = mint(own, {
    claims: { exp: NOW + 3_000, authorization_details: [{ ...grant, actions: ["read", "write"] }] },
  });

  test("is lost after 15 s of a silent broker for what changes something, after 60 s for reading", async () => {
    const { verifier, clock } = await ready();
    const verified = verifier.verify(token);
    const codes = () => [SEARCH, writes].map((use) => codeOf(() => verifier.authorize(verified, use)));
    clock.advance(15_000);
    expect(codes()).toEqual(["accepted", "accepted"]);
    expect(verifier.status()).toMatchObject({ refusal: undefined, stalenessSeconds: 15 });
    clock.advance(1);
    expect(codes()).toEqual(["accepted", "STALE"]);
    expect(codeOf(() => verifier.verify(token))).toBe("accepted");
    expect(codeOf(() => verifier.verify(token, { actions: ["read", "write"] }))).toBe("STALE");
    expect(verifier.status().refusal).toBe("STALE");
    clock.advance(44_999);
    expect(codes()).toEqual(["accepted", "STALE"]);
    clock.advance(1);
    expect(codes()).toEqual(["STALE", "STALE"]);
    expect(codeOf(() => verifier.verify(token))).toBe("STALE");
  });

  test("comes back with the next answer", async () => {
    const scene = await ready();
    const { verifier, clock } = scene;
    const verified = verifier.verify(token);
    clock.suspend(600_000);
    expect(codeOf(() => verifier.authorize(verified, writes))).toBe("STALE");
    clock.advance(1_000);
    await answer(scene, "c3");
    expect(codeOf(() => verifier.authorize(verified, writes))).toBe("accepted");
  });

  test("of a machine that was suspended is over when it wakes, although its monotonic clock stood still", async () => {
    const scene = await ready();
    const { verifier, clock } = scene;
    const verified = verifier.verify(token);
    clock.suspend(600_000);
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("STALE");
    expect(codeOf(() => verifier.verify(token))).toBe("STALE");
  });

  test.for([
    { offBy: 5_000, is: "accepted" },
    { offBy: 5_001, is: "CLOCK_SKEWED" },
    { offBy: -5_000, is: "accepted" },
    { offBy: -5_001, is: "CLOCK_SKEWED" },
  ])("with a broker whose clock is $offBy ms off: $is", async ({ offBy, is }) => {
    const scene = await ready();
    const { verifier, clock } = scene;
    clock.advance(1_000);
    await answer(scene, "c3", clock.wallMs() + offBy);
    expect(codeOf(() => verifier.verify(token))).toBe(is);
    expect(verifier.status().clockOffsetSeconds).toBe(-offBy / 1_000);
  });

  test("is not restored by setting the clock back: a token that expired stays so", async () => {
    const { verifier, clock } = await ready();
    const brief = mint(own, { claims: { exp: NOW + 5 } });
    clock.advance(10_000);
    expect(codeOf(() => verifier.verify(brief))).toBe("EXPIRED");
    clock.setWall(NOW_MS);
    expect(codeOf(() => verifier.verify(brief))).toBe("CLOCK_SKEWED");
  });

  test("is not given by an answer to a ping that was never sent", async () => {
    const { verifier, clock, watch } = await ready();
    clock.advance(16_000);
    watch.send(pong(Buffer.from("guess"), clock.wallMs()), denied([], "c3"));
    await watch.next("acknowledge");
    expect(codeOf(() => verifier.verify(token, { actions: ["write"] }))).toBe("STALE");
  });
});

describe("keys", () => {
  test("that are withdrawn verify nothing any more", async () => {
    const { verifier, watch } = await ready();
    watch.send(bundle(bundleDocument(ecSigner("next"))));
    await apply(watch, denied([], "c3"), "c3");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("KEY_UNKNOWN");
  });

  test("of one trust domain do not verify for another", async () => {
    const { verifier, watch } = await ready();
    const foreign = ecSigner("own");
    watch.send(bundle(bundleDocument(foreign), { trustDomain: "spiffe://other.example" }));
    await apply(watch, denied([], "c3"), "c3");
    expect(codeOf(() => verifier.verify(mint(foreign)))).toBe("SIGNATURE_INVALID");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe("accepted");
  });

  test("come with their issuer, and hold for no other", async () => {
    const { verifier } = await ready();
    expect(codeOf(() => verifier.verify(mint(own, { claims: { iss: "https://else.example" } })))).toBe(
      "ISSUER_MISMATCH",
    );
  });

  test.for([
    { development: true, is: "accepted" },
    { development: undefined, is: "KEY_UNKNOWN" },
  ])("of a development broker, to a verifier with development $development: $is", async ({ development, is }) => {
    const scene = await connected(development === undefined ? {} : { development });
    const { verifier, watch } = scene;
    watch.send(snapshot([], "c1"), bundle(JWKS, { development: true }));
    await watch.next("acknowledge");
    await answer(scene, "c2");
    expect(codeOf(() => verifier.verify(mint(own)))).toBe(is);
  });
});

describe("authorize", () => {
  test.for<{ use: ToolUse; is: string }>([
    { use: SEARCH, is: "accepted" },
    { use: { ...SEARCH, tool: "delete" }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, tool: "*" }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, tool: "Search" }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, actions: ["write"] }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, actions: ["read", "write"] }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, datatypes: ["secret"] }, is: "GRANT_EXCEEDED" },
    { use: { ...SEARCH, datatypes: ["internal", "secret"] }, is: "GRANT_EXCEEDED" },
  ])("$use: $is", async ({ use, is }) => {
    const { verifier } = await ready();
    expect(codeOf(() => verifier.authorize(verifier.verify(mint(own)), use))).toBe(is);
  });

  test("takes a grant of every tool for any tool, at its own audience alone", async () => {
    const { verifier } = await ready();
    const element = { type: "mcp_tool", identifier: "*", actions: ["read"], datatypes: ["internal"] };
    const here = { scope: undefined, authorization_details: [{ ...element, locations: [AUDIENCE] }] };
    const there = { ...here, authorization_details: [{ ...element, locations: ["https://else.example"] }] };
    expect(codeOf(() => verifier.authorize(verifier.verify(mint(own, { claims: here })), SEARCH))).toBe("accepted");
    expect(codeOf(() => verifier.authorize(verifier.verify(mint(own, { claims: there })), SEARCH))).toBe(
      "GRANT_EXCEEDED",
    );
  });

  test("does not let pass what is granted so many times only, since it can't count", async () => {
    const { verifier } = await ready();
    const element = { type: "mcp_tool", identifier: "search", actions: ["read"], datatypes: ["internal"] };
    const counted = [{ ...element, locations: [AUDIENCE], max_calls: 5 }];
    const verified = verifier.verify(mint(own, { claims: { authorization_details: counted } }));
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("CHECK_REQUIRED");
    expect(codeOf(() => verifier.authorize(verified, { ...SEARCH, tool: "delete" }))).toBe("GRANT_EXCEEDED");
  });

  test("refuses a use that names no action or no data, which every grant would cover", async () => {
    const { verifier } = await ready();
    const verified = verifier.verify(mint(own));
    expect(() => verifier.authorize(verified, { ...SEARCH, actions: [] })).toThrow(BrokerError);
    expect(() => verifier.authorize(verified, { ...SEARCH, datatypes: [] })).toThrow(BrokerError);
  });

  test("refuses when the token has expired since it was verified", async () => {
    const { verifier, clock } = await ready();
    const verified = verifier.verify(mint(own, { claims: { exp: NOW + 5 } }));
    clock.advance(9_999);
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("accepted");
    clock.advance(1);
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("EXPIRED");
  });
});

describe("recheck", () => {
  test("refuses what was denied since, and everything past the loosest bound, but nothing for its age", async () => {
    const { verifier, watch, clock } = await ready();
    const verified = verifier.verify(mint(own, { claims: { exp: NOW + 5 } }));
    clock.advance(60_000);
    expect(codeOf(() => verifier.recheck(verified))).toBe("accepted");
    clock.advance(1);
    expect(codeOf(() => verifier.recheck(verified))).toBe("STALE");
    await answer({ watch, clock }, "c3");
    expect(codeOf(() => verifier.recheck(verified))).toBe("accepted");
    await apply(watch, denied([deniedStep(STEP_ID, SUBJECT)], "c4"), "c4");
    expect(codeOf(() => verifier.recheck(verified))).toBe("REVOKED");
  });

  test("refuses what is of a foreign trust domain once it has expired", async () => {
    const { verifier, clock } = await ready();
    const verified = verifier.verify(mint(own, { claims: { exp: NOW + 5 } }));
    const foreign = { ...verified, federated: true };
    clock.advance(9_999);
    expect(codeOf(() => verifier.recheck(foreign))).toBe("accepted");
    clock.advance(1);
    expect(codeOf(() => verifier.recheck(foreign))).toBe("EXPIRED");
  });
});

describe("verify", () => {
  test.for([
    { without: "a step", claims: { step_id: undefined } },
    { without: "a jti", claims: { jti: undefined } },
  ])("refuses a token without $without: no denial could name it", async ({ claims }) => {
    const { verifier } = await ready();
    expect(codeOf(() => verifier.verify(mint(own, { claims })))).toBe("CLAIMS_INVALID");
  });

  test("holds a token to the audience asked for, which must be one that is watched", async () => {
    const other = "https://mcp.example.org/other";
    const { verifier } = await ready({ audiences: [AUDIENCE, other] });
    expect(verifier.verify(mint(own)).audience).toBe(AUDIENCE);
    expect(verifier.verify(mint(own), { audience: AUDIENCE }).audience).toBe(AUDIENCE);
    expect(codeOf(() => verifier.verify(mint(own), { audience: other }))).toBe("AUDIENCE_MISMATCH");
    expect(() => verifier.verify(mint(own), { audience: "https://else.example" })).toThrow(BrokerError);
  });
});

test("a closed verifier refuses everything and leaves the feed", async () => {
  const { verifier, watch } = await ready();
  const verified = verifier.verify(mint(own));
  await verifier[Symbol.asyncDispose]();
  expect(codeOf(() => verifier.verify(mint(own)))).toBe("NOT_READY");
  expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("NOT_READY");
  await watch.cancelled;
});

test.for<{ given: string; options: Partial<VerifierOptions> }>([
  { given: "no audience", options: { audiences: [] } },
  { given: "an audience that is not canonical", options: { audiences: ["https://Example.org/"] } },
  { given: "a bound above 60 s", options: { maxStalenessSeconds: { read: 61 } } },
  { given: "a bound of nothing", options: { maxStalenessSeconds: { default: 0 } } },
  { given: "a bound that is no number", options: { maxStalenessSeconds: { write: Number.NaN } } },
  { given: "a bound for no action", options: { maxStalenessSeconds: { delete: 5 } as never } },
  { given: "an endpoint that is no socket", options: { endpoint: "tcp://127.0.0.1:8081" } },
])("a verifier given $given is not created", ({ options }) => {
  expect(() => createVerifier({ endpoint: "/nowhere.sock", audiences: [AUDIENCE], ...options })).toThrow(BrokerError);
});
