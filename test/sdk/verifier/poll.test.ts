import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { madeCertificate } from "../../api/http/http-peers.ts";
import { codeOf } from "../../verify/code-of.ts";
import {
  AUDIENCE,
  ecSigner,
  forge,
  ISSUER,
  type Json,
  mint,
  NOW,
  type Signer,
  signature,
} from "../../verify/token-forge.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { scriptedIssuer } from "./scripted-issuer.ts";

// A verifier that polls security events, in front of a transmitter on this machine that sends what the test says.

const own = ecSigner("own");
const events = ecSigner("events");
const RECEIVER = "spiffe://example.org/verifier/mcp";
const CAEP = "https://schemas.openid.net/secevent/caep/event-type";
const VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const STEP_ID = "step_0190a5f2";
const JTI = "AYh5t0Zk3Ez8yB8n2mRkQw";
const STREAM = {
  stream_id: "s1",
  aud: RECEIVER,
  audiences: [AUDIENCE, "https://mcp.example.org/more"],
  delivery: { method: "urn:ietf:rfc:8936" },
  events_delivered: [`${CAEP}/session-revoked`, `${CAEP}/credential-change`],
};
const ofStep = (id: string) => ({ format: "complex", session: { format: "opaque", id } });

let jtis = 0;

/** An event token, with members changed. */
function eventOf(sub_id: Json, changes: { readonly claims?: Json; readonly header?: Json; readonly by?: Signer } = {}) {
  jtis += 1;
  const { by = events, claims, header } = changes;
  const said = { [`${CAEP}/session-revoked`]: { event_timestamp: NOW } };
  const all = { iss: ISSUER, aud: RECEIVER, jti: `e${jtis}`, iat: NOW, sub_id, events: said, ...claims };
  const head = { alg: "ES256", kid: by.kid, typ: "secevent+jwt", ...header };
  return { jti: `e${jtis}`, token: forge(JSON.stringify(head), JSON.stringify(all), signature(by, "ES256")) };
}

type Asked = { readonly maxEvents: number; readonly returnImmediately: boolean; readonly ack: readonly string[] };

/** A poll that waits for its answer. */
type Waiting = {
  readonly asked: Asked;
  /** @param agoMs - how long ago it was made by its date. */
  answer(sets: readonly ReturnType<typeof eventOf>[], more?: Json, agoMs?: number): void;
};

/** A transmitter whose polls the test answers. */
async function transmitter(clock: ManualClock, streams: readonly Json[] = [STREAM]) {
  const { certificate, privateKey } = madeCertificate();
  const tls = { cert: readFileSync(certificate), key: readFileSync(privateKey) };
  const issuer = await scriptedIssuer({ own, events }, tls);
  const polls: Waiting[] = [];
  const states: string[] = [];
  let status = "enabled";
  const listed = [...streams];
  const said = (response: ServerResponse, value: unknown, code = 200, agoMs = 0) =>
    response.writeHead(code, { date: new Date(clock.wallMs() - agoMs).toUTCString() }).end(JSON.stringify(value));
  issuer.serve("/ssf/stream", async (response, request) => {
    if (request.method === "GET") return void said(response, listed);
    expect(await json(request)).toEqual({ delivery: { method: "urn:ietf:rfc:8936" } });
    listed.push(STREAM);
    said(response, STREAM, 201);
  });
  let stream: Json = STREAM;
  issuer.serve("/ssf/stream?stream_id=s1", (response) =>
    listed.length === 0 ? void response.writeHead(404).end() : void said(response, stream),
  );
  issuer.serve("/ssf/status?stream_id=s1", (response) => void said(response, { stream_id: "s1", status }));
  issuer.serve("/ssf/verify", async (response, request) => {
    states.push(((await json(request)) as { state: string }).state);
    response.writeHead(204).end();
  });
  issuer.serve("/ssf/poll", async (response, request) => {
    if (listed.length === 0) return void response.writeHead(404).end("{}");
    const asked = (await json(request)) as Asked;
    const answer: Waiting["answer"] = (sets, more = {}, agoMs = 0) => {
      const tokens = Object.fromEntries(sets.map(({ jti, token }) => [jti, token]));
      said(response, { sets: tokens, ...more }, 200, agoMs);
    };
    polls.push({ asked, answer });
  });
  return {
    ...{ issuer, states, listed, cert: tls.cert.toString(), key: tls.key.toString() },
    setStatus(next: string) {
      status = next;
    },
    /** What the stream is from now on. */
    change(members: Json) {
      stream = { ...STREAM, ...members };
    },
    /** The next poll, once it has come; time passes until then. */
    async next(): Promise<Waiting> {
      const ticking = setInterval(() => clock.advance(20), 10);
      try {
        await vi.waitFor(() => expect(polls).not.toHaveLength(0), { interval: 5 });
      } finally {
        clearInterval(ticking);
      }
      return polls.shift() as Waiting;
    },
  };
}

async function connected(streams?: readonly Json[]) {
  const clock = manualClock(NOW * 1_000);
  const broker = await transmitter(clock, streams);
  const { cert, key } = broker;
  const svid = vi.fn(() => ({ cert, key }));
  const verifier = createVerifier({
    audiences: [AUDIENCE],
    clock,
    revocation: {
      ...{ from: "poll", issuer: ISSUER, trustDomain: "example.org", url: broker.issuer.url, roots: cert },
      svid,
    },
  });
  onTestFinished(() => verifier.close());
  return { ...broker, clock, verifier, svid };
}

/** A verifier that began to hear in the second before a token is issued. */
async function ready() {
  const scene = await connected();
  (await scene.next()).answer([]);
  await scene.verifier.ready();
  await pass(scene.clock);
  return scene;
}

/** What was answered is taken in, and time passes until the next poll. */
async function pass(clock: ManualClock, ms = 1_000): Promise<void> {
  await new Promise(setImmediate);
  clock.advance(ms);
}

function token(claims: Json = {}): string {
  return mint(own, { claims: { iat: NOW + 1, exp: NOW + 600, ...claims } });
}

const judged = (verifier: Verifier, text = token()) => codeOf(() => verifier.verify(text));

test("it takes the stream that there is, or makes one, and asks with its SVID of the moment", async () => {
  for (const streams of [[STREAM], []]) {
    const { next, verifier, svid, issuer, clock } = await connected(streams);
    expect(judged(verifier)).toBe("NOT_READY");
    const poll = await next();
    expect(poll.asked).toEqual({ maxEvents: 100, returnImmediately: true, ack: [] });
    poll.answer([]);
    await verifier.ready();
    await pass(clock);
    expect(judged(verifier)).toBe("accepted");
    expect((await next()).asked.returnImmediately).toBe(false);
    expect(svid.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect(issuer.asked("/ssf/stream")).toBe(streams.length === 0 ? 2 : 1);
  }
});

test.for([
  { what: "its step has ended", sub_id: ofStep(STEP_ID), state: "UNKNOWN" },
  { what: "it was taken back itself", sub_id: { format: "jwt_id", iss: ISSUER, jti: JTI }, state: undefined },
])("a token is refused once an event tells that $what, and so is what was begun with it", async ({ sub_id, state }) => {
  const { verifier, next } = await ready();
  const verified = verifier.verify(token());
  const { signal } = verifier.signalFor(verified);
  const event = eventOf(sub_id);
  (await next()).answer([eventOf(ofStep("step_else")), event]);
  await vi.waitFor(() => expect(signal.aborted).toBe(true));
  expect(signal.reason).toMatchObject({
    code: "REVOKED",
    metadata: { reason: "unspecified", ...(state && { state }) },
  });
  expect(judged(verifier)).toBe("REVOKED");
  expect(judged(verifier, token({ step_id: "step_other", jti: "other" }))).toBe("accepted");
  expect(verifier.status().denied).toBe(2);
});

test("what was received is acknowledged with the next poll, once, and what is sent again does no harm", async () => {
  const { verifier, next, clock } = await ready();
  const event = eventOf(ofStep(STEP_ID));
  (await next()).answer([event]);
  await vi.waitFor(() => expect(judged(verifier)).toBe("REVOKED"));
  await pass(clock);
  const second = await next();
  expect(second.asked.ack).toEqual([event.jti]);
  second.answer([event]);
  await vi.waitFor(() => expect(verifier.status().connected).toBe(true));
  await pass(clock);
  const third = await next();
  third.answer([]);
  await pass(clock);
  expect((await next()).asked.ack).toEqual([]);
  expect(judged(verifier)).toBe("REVOKED");
});

describe("what was issued before it began to hear", () => {
  test("is refused, since its end may have been told to nobody", async () => {
    const { verifier } = await ready();
    expect(judged(verifier, token({ iat: NOW }))).toBe("CLAIMS_INVALID");
    expect(judged(verifier, token({ iat: undefined }))).toBe("CLAIMS_INVALID");
    expect(judged(verifier, token({ iat: NOW + 1 }))).toBe("accepted");
  });

  test("is what came before all that was pending had been sent", async () => {
    const { verifier, next, clock } = await connected();
    (await next()).answer([eventOf(ofStep("step_else"))], { moreAvailable: true });
    await vi.waitFor(() => expect(verifier.status().denied).toBe(1));
    expect(judged(verifier)).toBe("NOT_READY");
    await pass(clock);
    (await next()).answer([]);
    await verifier.ready();
    await pass(clock);
    expect(judged(verifier, token({ iat: NOW + 1 }))).toBe("CLAIMS_INVALID");
    expect(judged(verifier, token({ iat: NOW + 2 }))).toBe("accepted");
  });

  test.for([
    { what: "was removed", happens: (scene: Awaited<ReturnType<typeof ready>>) => void scene.listed.splice(0) },
    { what: "was disabled", happens: (scene: Awaited<ReturnType<typeof ready>>) => scene.setStatus("disabled") },
    {
      what: "was for other audiences",
      happens: (scene: Awaited<ReturnType<typeof ready>>) =>
        scene.change({ audiences: ["https://mcp.example.org/more"] }),
    },
    {
      what: "left out the ends of steps",
      happens: (scene: Awaited<ReturnType<typeof ready>>) => scene.change({ events_delivered: [] }),
    },
  ])("is refused anew when its stream $what meanwhile", async ({ happens }) => {
    const scene = await ready();
    const { verifier, next, clock } = scene;
    const verified = verifier.verify(token());
    const waiting = await next();
    happens(scene);
    waiting.answer([]);
    const ticking = setInterval(() => clock.advance(100), 10);
    onTestFinished(() => clearInterval(ticking));
    await vi.waitFor(() => expect(judged(verifier)).toBe("NOT_READY"));
    expect(judged(verifier)).toBe("NOT_READY");
    expect(codeOf(() => verifier.recheck(verified))).toBe("NOT_READY");
  });
});

test("an event that somebody else has asked for shows that others receive the stream, and is a reason to refuse", async () => {
  const { verifier, next, states, clock } = await ready();
  expect(states).toHaveLength(1);
  const shown = (state: unknown) =>
    eventOf({ format: "opaque", id: "s1" }, { claims: { events: { [VERIFICATION]: { state } } } });
  (await next()).answer([shown(states[0])]);
  await pass(clock);
  const second = await next();
  expect(judged(verifier)).toBe("accepted");
  second.answer([shown("another's")]);
  await vi.waitFor(() => expect(judged(verifier)).toBe("NOT_READY"));
});

test.for([
  { what: "is signed by somebody else", changes: { by: ecSigner("events") } },
  { what: "is signed by a key that is not known", changes: { by: own } },
  { what: "is for another receiver", changes: { claims: { aud: "spiffe://example.org/verifier/else" } } },
  { what: "is of another issuer", changes: { claims: { iss: "https://else.example" } } },
  { what: "is no event", changes: { header: { typ: "JWT" } } },
  { what: "is of a kind that is not known", changes: { claims: { events: { "https://else.example/event": {} } } } },
  {
    what: "is one that is known and another",
    changes: { claims: { events: { [`${CAEP}/session-revoked`]: {}, "https://else.example/event": {} } } },
  },
  { what: "is two events", changes: { claims: { events: { "https://a.example": {}, "https://b.example": {} } } } },
  { what: "names nothing", changes: { claims: { sub_id: { format: "email", email: "a@example.org" } } } },
])("an event that $what is not acknowledged, and tells nothing: in time everything is refused", async ({ changes }) => {
  const { verifier, next, clock } = await ready();
  (await next()).answer([eventOf(ofStep(STEP_ID), changes)]);
  await vi.waitFor(() => expect(verifier.status()).toMatchObject({ connected: false, denied: 0 }));
  expect(verifier.status().lastError).toMatch(/security event/);
  await pass(clock);
  expect((await next()).asked.ack).toEqual([]);
  clock.advance(13_001);
  const verified = codeOf(() => verifier.verify(token(), { actions: ["write"] }));
  expect(verified).toBe("STALE");
});

test("without an answer it refuses by its bounds, and says how stale it is; a clock that was set is found out", async () => {
  const { verifier, clock } = await ready();
  const verified = verifier.verify(token());
  const { stalenessSeconds, ...status } = verifier.status();
  expect(status).toMatchObject({ connected: true, refusal: undefined, lastError: undefined });
  expect(stalenessSeconds).toBeGreaterThanOrEqual(1);
  expect(stalenessSeconds).toBeLessThan(5);
  clock.setWall(NOW * 1_000 - 5_001);
  expect(codeOf(() => verifier.recheck(verified))).toBe("CLOCK_SKEWED");
  clock.setWall(NOW * 1_000 + 1_000);
  clock.suspend(15_001);
  const write = { tool: "search", actions: ["write"], datatypes: ["internal"] } as const;
  expect(codeOf(() => verifier.authorize(verified, write))).toBe("STALE");
  expect(codeOf(() => verifier.recheck(verified))).toBe("accepted");
  clock.suspend(46_000);
  expect(codeOf(() => verifier.recheck(verified))).toBe("STALE");
  expect(verifier.status()).toMatchObject({ refusal: "STALE" });
  expect(verifier.status().stalenessSeconds).toBeGreaterThan(60);
});

test.for([
  {
    what: "is for push",
    stream: { ...STREAM, delivery: { method: "urn:ietf:rfc:8935" } },
    says: "the stream of this verifier is for push",
  },
  {
    what: "leaves out the ends of steps",
    stream: { ...STREAM, events_delivered: [] },
    says: "the stream of this verifier is without session-revoked",
  },
  {
    what: "does not say its audiences",
    stream: { ...STREAM, audiences: undefined },
    says: "/ssf/stream was answered with no stream, or with one that does not say its audiences",
  },
])("a stream that $what is not polled", async ({ stream, says }) => {
  const { verifier, issuer } = await connected([stream]);
  await vi.waitFor(() => expect(verifier.status().lastError).toBe(says));
  expect(issuer.asked("/ssf/poll")).toBe(0);
  expect(judged(verifier)).toBe("NOT_READY");
});

test.for([
  { what: "does not come", svid: () => Promise.reject(new Error("no workload endpoint")) },
  { what: "is none", svid: () => ({ cert: "no", key: "PEM" }) },
])("an SVID that $what is a reason to refuse, and ends nothing", async ({ svid }) => {
  const scene = await ready();
  const { verifier, next, clock } = scene;
  scene.svid.mockImplementation(svid as typeof scene.svid);
  const ticking = setInterval(() => clock.advance(100), 10);
  onTestFinished(() => clearInterval(ticking));
  (await next()).answer([]);
  await vi.waitFor(() => expect(verifier.status().lastError).toBe("there is no X.509-SVID of this verifier to be had"));
  scene.svid.mockReset();
  scene.svid.mockImplementation(() => ({ cert: scene.cert, key: scene.key }));
  (await next()).answer([]);
  await vi.waitFor(() => expect(verifier.status().lastError).toBe(undefined));
});

test("an audience that the entry does not name is told of at once: its tokens would pass unwatched", async () => {
  const { verifier, issuer } = await connected([{ ...STREAM, audiences: ["https://mcp.example.org/more"] }]);
  await expect(verifier.ready()).rejects.toMatchObject({ code: "AUDIENCE_INVALID" });
  expect(judged(verifier)).toBe("NOT_READY");
  expect(issuer.asked("/ssf/poll")).toBe(0);
});

test("a verifier has to show who it is, over https", () => {
  const revocation = {
    from: "poll",
    issuer: "http://localhost:1",
    trustDomain: "example.org",
    svid: () => ({ cert: "", key: "" }),
  } as const;
  expect(() => createVerifier({ audiences: [AUDIENCE], revocation })).toThrow(/^revocation.url: /);
});
