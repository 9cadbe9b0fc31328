import { describe, expect, test } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import type { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { certificateKey, jwtKey, stepKey } from "../../../src/sdk/verifier/deny-list.ts";
import { createFeedState, type FeedState } from "../../../src/sdk/verifier/feed-state.ts";
import { bundleDocument, ecSigner } from "../../verify/token-forge.ts";
import { bundle, denied, deniedJwt, deniedStep, pong, response, snapshot, timestampMs } from "./feed-responses.ts";

const START_MS = 1_800_000_000_000;
const JWKS = bundleDocument(ecSigner("own"));
const A = deniedStep("step_a", "spiffe://example.org/a");
const B = deniedStep("step_b", "spiffe://example.org/b");
const C = deniedStep("step_c", "spiffe://example.org/c");

function at(ms: number) {
  return { wallMs: START_MS + ms, monotonicMs: ms };
}

/** Pings at `sentMs` and applies the answer at `receivedMs`. */
function confirm(state: FeedState, sentMs: number, receivedMs = sentMs, cursor = "") {
  const nonce = Buffer.from([sentMs % 256, sentMs >> 8]);
  state.pinged(nonce, at(sentMs));
  return state.apply(pong(nonce, START_MS + sentMs, cursor), at(receivedMs));
}

function ready(): FeedState {
  const state = createFeedState();
  state.apply(snapshot([], "c1"), at(0));
  state.apply(bundle(JWKS), at(0));
  confirm(state, 0);
  return state;
}

function isDenied(state: FeedState, stepId: string): boolean {
  return state.denyList.find([stepKey(stepId)]) !== undefined;
}

function textOf(cursor: Uint8Array | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor).toString();
}

describe("a snapshot", () => {
  test("applies as a whole when its last part has come, and is acknowledged then", () => {
    const state = createFeedState();
    expect(state.apply(snapshot([A]), at(0))).toEqual({ denied: [], acknowledge: undefined, confirmed: false });
    expect(isDenied(state, "step_a")).toBe(false);
    const last = state.apply(snapshot([B], "c1"), at(0));
    expect(isDenied(state, "step_a") && isDenied(state, "step_b")).toBe(true);
    expect(textOf(last.acknowledge)).toBe("c1");
    expect(textOf(state.cursor)).toBe("c1");
  });

  test("of which half came before the stream broke leaves nothing behind", () => {
    const state = createFeedState();
    state.apply(snapshot([A]), at(0));
    state.restart();
    state.apply(snapshot([B], "c1"), at(0));
    expect(isDenied(state, "step_a")).toBe(false);
    expect(isDenied(state, "step_b")).toBe(true);
  });

  test("that leaves out what was denied does not permit it again", () => {
    const state = ready();
    state.apply(denied([A], "c2"), at(1));
    state.restart();
    state.apply(snapshot([B], "c3"), at(2));
    expect(isDenied(state, "step_a") && isDenied(state, "step_b")).toBe(true);
  });
});

describe("the cursor", () => {
  test("moves with what is complete, and is acknowledged when it moved", () => {
    const state = ready();
    expect(textOf(state.apply(denied([A]), at(1)).acknowledge)).toBeUndefined();
    expect(isDenied(state, "step_a")).toBe(true);
    expect(textOf(state.apply(denied([B], "c2"), at(1)).acknowledge)).toBe("c2");
    expect(textOf(state.apply(denied([], "c3"), at(1)).acknowledge)).toBe("c3");
    expect(textOf(confirm(state, 1_000, 1_000, "c3").acknowledge)).toBeUndefined();
    expect(textOf(confirm(state, 2_000, 2_000, "c4").acknowledge)).toBe("c4");
    expect(textOf(state.cursor)).toBe("c4");
  });

  test("stays where it is while a snapshot is incomplete: resuming behind a gap would lose denials", () => {
    const state = ready();
    state.apply(snapshot([A]), at(1));
    expect(state.apply(denied([], "c2"), at(1)).acknowledge).toBeUndefined();
    state.apply(denied([C], "c3"), at(1));
    expect(isDenied(state, "step_c")).toBe(true);
    state.restart();
    expect(textOf(state.cursor)).toBe("c1");
  });

  test("of a denial before any snapshot is not resumed from", () => {
    const state = createFeedState();
    expect(state.apply(denied([A], "c1"), at(0)).acknowledge).toBeUndefined();
    expect(state.cursor).toHaveLength(0);
    expect(isDenied(state, "step_a")).toBe(true);
  });
});

describe("a pong", () => {
  test("confirms only once deny-list and a bundle are there", () => {
    const state = createFeedState();
    expect(confirm(state, 0).confirmed).toBe(false);
    state.apply(snapshot([], "c1"), at(0));
    expect(confirm(state, 1).confirmed).toBe(false);
    state.apply(bundle(JWKS), at(0));
    expect(confirm(state, 2).confirmed).toBe(true);
    expect(state.confirmation?.sent).toEqual(at(2));
  });

  test("amid a snapshot confirms nothing", () => {
    const state = ready();
    state.apply(snapshot([A]), at(1));
    expect(confirm(state, 1_000).confirmed).toBe(false);
    expect(state.confirmation?.sent).toEqual(at(0));
  });

  test("with a nonce that was not sent, was answered, or belongs to the last stream, confirms nothing", () => {
    const state = ready();
    expect(state.apply(pong(Buffer.from("guess"), START_MS, "c9"), at(1)).confirmed).toBe(false);
    const nonce = Buffer.from("n1");
    state.pinged(nonce, at(1_000));
    expect(state.apply(pong(nonce, START_MS + 1_000), at(1_000)).confirmed).toBe(true);
    expect(state.apply(pong(nonce, START_MS + 9_000), at(9_000)).confirmed).toBe(false);
    state.pinged(Buffer.from("n2"), at(9_000));
    state.restart();
    expect(state.apply(pong(Buffer.from("n2"), START_MS + 9_000), at(9_000)).confirmed).toBe(false);
    expect(state.confirmation?.sent).toEqual(at(1_000));
    expect(textOf(state.cursor)).toBe("c1");
  });

  test("that was under way for longer than the skew it should reveal confirms nothing", () => {
    const state = ready();
    expect(confirm(state, 1_000, 6_001).confirmed).toBe(false);
    expect(confirm(state, 7_000, 12_000).confirmed).toBe(true);
  });

  test("answers the pings before its own too, so that none of them seems to wait", () => {
    const state = ready();
    state.pinged(Buffer.from("n1"), at(1_000));
    state.pinged(Buffer.from("n2"), at(2_000));
    state.pinged(Buffer.from("n3"), at(3_000));
    expect(state.waitingSince()).toEqual(at(1_000));
    state.apply(pong(Buffer.from("n2"), START_MS + 2_000), at(2_000));
    expect(state.waitingSince()).toEqual(at(3_000));
  });

  test("without the broker's time confirms nothing", () => {
    const state = ready();
    state.pinged(Buffer.from("n1"), at(1_000));
    expect(state.apply(response({ case: "pong", value: { nonce: Buffer.from("n1") } }), at(1_000)).confirmed).toBe(
      false,
    );
  });
});

describe("forgetting", () => {
  const forgetAfter = timestampMs(START_MS + 60_000);
  const brief = deniedStep("step_a", "spiffe://example.org/a", { forgetAfter });

  test("comes at its time by the broker's clock and by ours, and not before", () => {
    const state = ready();
    state.apply(denied([brief, B], "c2"), at(0));
    confirm(state, 59_999);
    expect(isDenied(state, "step_a")).toBe(true);
    confirm(state, 95_000);
    expect(isDenied(state, "step_a")).toBe(false);
    expect(isDenied(state, "step_b")).toBe(true);
  });

  test.for([
    { clock: "our wall clock", wallMs: START_MS + 900_000, brokerMs: START_MS + 40_000 },
    { clock: "the broker's clock", wallMs: START_MS + 40_000, brokerMs: START_MS + 900_000 },
  ])("is not brought about by $clock alone", ({ wallMs, brokerMs }) => {
    const state = ready();
    state.apply(denied([brief], "c2"), at(0));
    const now = { wallMs, monotonicMs: 40_000 };
    state.pinged(Buffer.from("n"), now);
    expect(state.apply(pong(Buffer.from("n"), brokerMs), now).confirmed).toBe(true);
    expect(isDenied(state, "step_a")).toBe(true);
  });
});

describe("a denial", () => {
  test("says what was denied, and in which state it ended", () => {
    const state = ready();
    const names = state.apply(denied([A, deniedJwt("https://i", "j1")], "c2"), at(0)).denied;
    expect(names).toContain(jwtKey("https://i", "j1"));
    expect(state.denyList.find([stepKey("step_a")])).toMatchObject({ state: "COMPLETED", sequence: 7n });
    expect(state.denyList.find([jwtKey("https://i", "j1")])).toMatchObject({
      state: undefined,
      reason: "keyCompromise",
    });
    state.apply(denied([{ ...B, state: 99 as StepState }], "c3"), at(0));
    expect(state.denyList.find([stepKey("step_b")])?.state).toBe("UNKNOWN");
  });

  test.for([
    { names: "nothing that this version knows", denial: { reason: "x" } },
    { names: "a step without an id", denial: deniedStep("", "spiffe://example.org/a") },
    { names: "a step without a hash", denial: { subject: { case: "step", value: { stepId: "step_a" } } } as const },
    { names: "a token without an issuer", denial: deniedJwt("", "j1") },
    {
      names: "a certificate without a number",
      denial: { subject: { case: "certificate", value: { issuer: Buffer.from([1]) } } } as const,
    },
  ])("of $names is an error, never passed over", ({ denial }) => {
    const state = ready();
    expect(() => state.apply(denied([A, denial], "c2"), at(0))).toThrow(BrokerError);
    expect(() => state.apply(snapshot([denial], "c2"), at(0))).toThrow(BrokerError);
    expect(textOf(state.cursor)).toBe("c1");
  });

  test("of a certificate whose issuer is not known any more is one by its serial number alone", () => {
    const state = ready();
    const value = { issuer: new Uint8Array(), serialNumber: "0a1b" };
    state.apply(denied([{ subject: { case: "certificate", value }, reason: "superseded" }], "c2"), at(0));
    expect(state.denyList.find([certificateKey(new Uint8Array(), "0a1b")])).toMatchObject({ reason: "superseded" });
  });

  test("in a message that this version does not know is an error", () => {
    expect(() => ready().apply(response({ case: undefined }), at(0))).toThrow(BrokerError);
  });
});

describe("a bundle", () => {
  test("replaces what was known of its trust domain, and of no other", () => {
    const state = ready();
    state.apply(bundle(bundleDocument(ecSigner("theirs")), { trustDomain: "spiffe://other.example" }), at(0));
    state.apply(bundle(bundleDocument(ecSigner("new"))), at(0));
    const kids = [...state.bundles.values()].map(({ trustDomain, keys }) => [trustDomain, [...keys.keys()]]);
    expect(kids).toEqual([
      ["example.org", ["new"]],
      ["other.example", ["theirs"]],
    ]);
  });

  test.for([
    { of: "an empty list of keys", jwks: '{"keys":[]}' },
    { of: "no JSON", jwks: "keys" },
    { of: "a private key", jwks: JWKS.replace('"kty"', '"d":"AAAA","kty"') },
  ])("of $of leaves its trust domain without keys", ({ jwks }) => {
    const state = ready();
    state.apply(bundle(jwks), at(0));
    expect([...state.bundles.values()].map(({ keys }) => keys.size)).toEqual([0]);
  });

  test.for([
    { trustDomain: "", expected: false },
    { trustDomain: "example.org", expected: false },
    { trustDomain: "spiffe://example.org/a", expected: false },
    { trustDomain: "spiffe://example.org", expected: true },
  ])("for the trust domain $trustDomain is taken: $expected", ({ trustDomain, expected }) => {
    const apply = () => ready().apply(bundle(JWKS, { trustDomain }), at(0));
    if (expected) expect(apply).not.toThrow();
    else expect(apply).toThrow(BrokerError);
  });

  test("of stint dev's trust domain is for development, whatever the broker says", () => {
    const state = ready();
    state.apply(bundle(JWKS, { trustDomain: "spiffe://stint-dev.invalid" }), at(0));
    expect([...state.bundles.values()].map(({ development }) => development)).toEqual([false, true]);
  });
});

describe("a foreign bundle", () => {
  const FOREIGN = { trustDomain: "spiffe://other.example", federated: true };
  const names = (state: FeedState) => [...state.bundles.keys()];

  test("is no reason to be ready: what the broker itself signs can't be verified by it", () => {
    const state = createFeedState();
    state.apply(snapshot([], "c1"), at(0));
    state.apply(bundle(JWKS, FOREIGN), at(0));
    expect(confirm(state, 0).confirmed).toBe(false);
    state.apply(bundle(JWKS), at(0));
    expect(confirm(state, 1).confirmed).toBe(true);
  });

  test("that was withdrawn while the stream was down is gone with the first answer of the next", () => {
    const state = ready();
    state.apply(bundle(JWKS, FOREIGN), at(1));
    state.apply(bundle(JWKS, { ...FOREIGN, trustDomain: "spiffe://third.example" }), at(1));
    state.restart();
    expect(names(state)).toEqual(["example.org", "other.example", "third.example"]);
    state.apply(bundle(JWKS), at(2));
    state.apply(bundle(JWKS, { ...FOREIGN, trustDomain: "spiffe://third.example" }), at(2));
    confirm(state, 3);
    expect(names(state)).toEqual(["example.org", "third.example"]);
  });
});
