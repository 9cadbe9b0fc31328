import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  createVerifier,
  type ToolUse,
  VerificationError,
  type Verifier,
  type VerifierOptions,
} from "../../../src/sdk/verifier/index.ts";
import { madeCertificate } from "../../api/http/http-peers.ts";
import { authority, leafOf, x509BundleDocument } from "../../verify/certificate-forge.ts";
import { newHolder, URL_OF_REQUEST, witSvid, workloadProof } from "../../verify/proof-forge.ts";
import { bitsOf, inList, LIST, LIST_URI, type ListChanges, statusList } from "../../verify/status-list-forge.ts";
import { AUDIENCE, base64url, ecSigner, ISSUER, type Json, mint, NOW } from "../../verify/token-forge.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { eventKeysOf, type ScriptedIssuer, scriptedIssuer } from "./scripted-issuer.ts";

// A verifier that hears of revocations by status lists, in front of a server on this machine that has what the test says.

const own = ecSigner("own");
const events = ecSigner("events");
const PATH = `/status/${LIST}`;
const KEYS_PATH = "/keys/events.json";
const WRITE: ToolUse = { tool: "search", actions: ["write"], datatypes: ["internal"] };
const SEARCH: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };
const GRANT = {
  authorization_details: [
    {
      type: "mcp_tool",
      locations: [AUDIENCE],
      identifier: "search",
      actions: ["read", "write"],
      datatypes: ["internal"],
    },
  ],
};
/** Past a list's `ttl`. */
const TTL_MS = 5_001;

type Scene = { readonly issuer: ScriptedIssuer; readonly verifier: Verifier; readonly clock: ManualClock };

function tokenAt(idx: number, claims: Json = {}): string {
  return mint(own, { claims: { exp: NOW + 600, ...GRANT, ...inList(idx), ...claims } });
}

async function scene(changes: ListChanges = {}, options: Partial<VerifierOptions> = {}): Promise<Scene> {
  const issuer = await scriptedIssuer({ own, events });
  const clock = manualClock(NOW * 1_000);
  issuer.serve(PATH, statusList(events, changes));
  const verifier = createVerifier({
    audiences: [AUDIENCE],
    clock,
    revocation: { from: "status-list", issuer: ISSUER, trustDomain: "example.org", url: issuer.url },
    ...options,
  });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  return { issuer, verifier, clock };
}

function refusalOf(act: () => unknown): { readonly code: string; readonly metadata: object } {
  try {
    act();
    return { code: "accepted", metadata: {} };
  } catch (thrown) {
    if (thrown instanceof VerificationError) return { code: thrown.code, metadata: thrown.metadata };
    throw thrown;
  }
}

const codeOf = (act: () => unknown) => refusalOf(act).code;

/** As a server does with a request. */
async function judged({ verifier }: Pick<Scene, "verifier">, token: string): Promise<ReturnType<typeof refusalOf>> {
  await verifier.learn(token);
  return refusalOf(() => verifier.verify(token));
}

/** Serves another list, as it is now, and lets the time of the last one pass. */
function replaced({ issuer, clock }: Scene, changes: ListChanges, by = events): void {
  issuer.serve(PATH, statusList(by, { ...changes, claims: { ...times(clock, TTL_MS), ...changes.claims } }));
  clock.advance(TTL_MS);
}

function times(clock: ManualClock, aheadMs = 0): Json {
  const iat = Math.floor((clock.wallMs() + aheadMs) / 1_000);
  return { iat, exp: iat + 60 };
}

describe("a token", () => {
  test("is taken while its list has it as valid, and its neighbours are refused that are not", async () => {
    const all = await scene({ bytes: bitsOf([2, 4]) });
    for (const [idx, code] of [
      [1, "accepted"],
      [2, "REVOKED"],
      [3, "accepted"],
      [4, "REVOKED"],
      [1_023, "accepted"],
    ] as const) {
      expect((await judged(all, tokenAt(idx))).code, `${idx}`).toBe(code);
    }
    expect(all.verifier.status()).toMatchObject({ connected: true, denied: 2, refusal: undefined, bundles: 1 });
    expect(all.issuer.asked(PATH)).toBe(1);
  });

  test.for([
    { bits: 2, bytes: Uint8Array.of(0b10_01_00_11), codes: ["REVOKED", "accepted", "REVOKED", "REVOKED"] },
    { bits: 4, bytes: Uint8Array.of(0x20), codes: ["accepted", "REVOKED"] },
    { bits: 8, bytes: Uint8Array.of(0x00, 0x0c), codes: ["accepted", "REVOKED"] },
  ])("is refused with every status of $bits bits but valid", async ({ codes, ...changes }) => {
    const all = await scene(changes);
    const found = [];
    for (const idx of codes.keys()) found.push((await judged(all, tokenAt(idx))).code);
    expect(found).toEqual(codes);
  });

  test("is refused by its list within one refresh, and stops what was begun with it", async () => {
    const all = await scene();
    const { verifier } = all;
    const token = tokenAt(7);
    expect((await judged(all, token)).code).toBe("accepted");
    const verified = verifier.verify(token);
    const watched = verifier.signalFor(verified);
    const other = verifier.signalFor(verifier.verify(tokenAt(8)));
    // The list is fetched without anybody asking.
    replaced(all, { bytes: bitsOf([7]) });
    await vi.waitFor(() => expect(watched.signal.aborted).toBe(true));
    expect(watched.signal.reason).toMatchObject({ code: "REVOKED", metadata: { reason: "unspecified" } });
    expect(other.signal.aborted).toBe(false);
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("REVOKED");
    expect(codeOf(() => verifier.recheck(verified))).toBe("REVOKED");
    expect((await judged(all, token)).code).toBe("REVOKED");
    expect(verifier.signalFor(verified).signal.aborted).toBe(true);
  });

  test("is judged by a list no older than its ttl: whoever comes first after that waits for the next one", async () => {
    const all = await scene();
    expect((await judged(all, tokenAt(7))).code).toBe("accepted");
    replaced(all, { bytes: bitsOf([7]) });
    expect((await judged(all, tokenAt(7))).code).toBe("REVOKED");
  });

  test("whose list is not known yet is refused, and taken when it comes again", async () => {
    const { verifier } = await scene();
    expect(refusalOf(() => verifier.verify(tokenAt(1)))).toEqual({ code: "NOT_READY", metadata: {} });
    await vi.waitFor(() => expect(codeOf(() => verifier.verify(tokenAt(1)))).toBe("accepted"));
  });

  test.for([
    { what: "is in no list", claims: { status: undefined }, code: "CLAIMS_INVALID" },
    {
      what: "is in a list of somebody else",
      claims: inList(1, `https://attacker.example/status/${LIST}`),
      code: "CLAIMS_INVALID",
    },
    { what: "is beyond its list", claims: inList(1_024), code: "CLAIMS_INVALID" },
    { what: "has expired", claims: { exp: NOW - 10 }, code: "EXPIRED" },
    { what: "is for its broker, to delegate with", claims: { may_act: {} }, code: "CLAIMS_INVALID" },
  ])("that $what is refused as $code", async ({ claims, code }) => {
    const all = await scene();
    expect((await judged(all, tokenAt(1, claims))).code).toBe(code);
  });

  test("has nothing fetched before somebody trusted has signed it, and nothing but below the issuer", async () => {
    const all = await scene();
    const before = all.issuer.asked(PATH);
    const forged = mint(ecSigner("own"), { claims: { exp: NOW + 600, ...inList(1) } });
    expect((await judged(all, forged)).code).toBe("SIGNATURE_INVALID");
    expect((await judged(all, tokenAt(1, { exp: NOW - 10 }))).code).toBe("EXPIRED");
    await judged(all, tokenAt(1, inList(1, `${all.issuer.url}/status/${LIST}`)));
    await judged(all, tokenAt(1, inList(1, `${ISSUER}/status/../jwks`)));
    await all.verifier.learn("nonsense");
    expect(all.issuer.asked(PATH)).toBe(before);
  });
});

describe("a list", () => {
  const lists: readonly { what: string; code: string; by?: typeof own; changes?: ListChanges }[] = [
    { what: "by another key of the same name", by: ecSigner("events"), code: "SIGNATURE_INVALID" },
    { what: "by a key that is not known", by: ecSigner("more"), code: "KEY_UNKNOWN" },
    { what: "by the key of tokens", by: own, code: "KEY_UNKNOWN" },
    { what: "of another URI", changes: { claims: { sub: `${LIST_URI}x` } }, code: "SUBJECT_INVALID" },
    { what: "of another issuer", changes: { claims: { iss: "https://else.example" } }, code: "ISSUER_MISMATCH" },
    { what: "that has expired", changes: { claims: { iat: NOW - 60, exp: NOW } }, code: "EXPIRED" },
    { what: "that is a token", changes: { header: { typ: "JWT" } }, code: "TOKEN_MALFORMED" },
    {
      what: "that unpacks to more than lists have",
      changes: { bytes: new Uint8Array(16_385) },
      code: "CLAIMS_INVALID",
    },
    { what: "that is a bomb", changes: { bytes: new Uint8Array(64 * 1_024 * 1_024) }, code: "CLAIMS_INVALID" },
    { what: "that is no zlib", changes: { lst: base64url("nothing of the kind") }, code: "CLAIMS_INVALID" },
    {
      what: "that breaks off",
      changes: { lst: base64url(deflateSync(bitsOf([1])).subarray(0, 8)) },
      code: "CLAIMS_INVALID",
    },
  ];
  test.for(lists)(
    "$what tells nothing, and is named as the reason: $code",
    async ({ by = events, changes = {}, code }) => {
      const all = await scene();
      all.issuer.serve(PATH, statusList(by, changes));
      expect(await judged(all, tokenAt(1))).toEqual({ code: "NOT_READY", metadata: { status_list: code } });
      expect(all.verifier.status()).toMatchObject({ connected: false, refusal: "NOT_READY" });
      expect(all.verifier.status().lastError).toMatch(/status list/);
    },
  );

  test("with as many bits as lists may have is taken", async () => {
    const all = await scene({ bits: 8, bytes: new Uint8Array(131_072) });
    expect((await judged(all, tokenAt(131_071))).code).toBe("accepted");
  });

  test("that is longer than lists are, does not come, or comes compressed or from elsewhere tells nothing", async () => {
    const all = await scene();
    for (const [served, says] of [
      [(response) => void response.end("x".repeat(256 * 1_024 + 1)), /has more than 262144 bytes/],
      [(response) => void response.writeHead(503).end(), /was answered 503/],
      [(response) => void response.writeHead(302, { location: `${all.issuer.url}/else` }).end(), /was answered 302/],
      [(response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(), /came compressed/],
      [(response) => void response.destroy(), /can't be had/],
    ] as const satisfies readonly (readonly [Parameters<ScriptedIssuer["serve"]>[1], RegExp])[]) {
      all.issuer.serve(PATH, served);
      all.clock.advance(1_001);
      expect(await judged(all, tokenAt(1))).toEqual({ code: "NOT_READY", metadata: {} });
      expect(all.verifier.status().lastError).toMatch(says);
    }
    expect(all.issuer.asked("/else")).toBe(0);
  });

  test("that is older than the one before is not taken", async () => {
    const all = await scene({ claims: { iat: NOW, exp: NOW + 60 }, bytes: bitsOf([7]) });
    expect((await judged(all, tokenAt(7))).code).toBe("REVOKED");
    replaced(all, { claims: { iat: NOW - 1, exp: NOW + 59 } });
    expect((await judged(all, tokenAt(7))).code).toBe("REVOKED");
    expect(all.verifier.status().lastError).toBe("the status list is older than the one before");
    expect((await judged(all, tokenAt(8))).code).toBe("accepted");
  });

  test("that has forgotten what was invalid does not make it valid again", async () => {
    const all = await scene({ bytes: bitsOf([7]) });
    expect((await judged(all, tokenAt(7))).code).toBe("REVOKED");
    replaced(all, { bytes: bitsOf([9]) });
    expect((await judged(all, tokenAt(9))).code).toBe("REVOKED");
    expect((await judged(all, tokenAt(7))).code).toBe("REVOKED");
  });

  test("by a key that has come since is taken once the keys were asked for", async () => {
    const all = await scene();
    const next = ecSigner("next");
    all.issuer.serve(PATH, statusList(next));
    all.issuer.serve(KEYS_PATH, eventKeysOf(events, next));
    all.clock.advance(2_001);
    expect((await judged(all, tokenAt(1))).code).toBe("accepted");
  });

  test("by keys that nobody knows has the keys asked for no more than once in two seconds", async () => {
    const all = await scene();
    all.issuer.serve(PATH, statusList(ecSigner("unknown")));
    for (let time = 0; time < 4; time += 1) {
      expect((await judged(all, tokenAt(1))).code).toBe("NOT_READY");
      all.clock.advance(1_001);
    }
    expect(all.issuer.asked(PATH)).toBeGreaterThanOrEqual(4);
    expect(all.issuer.asked(KEYS_PATH)).toBeLessThanOrEqual(3);
  });

  test("is fetched once for however many wait for it", async () => {
    const all = await scene();
    const tokens = Array.from({ length: 20 }, (_, idx) => tokenAt(idx));
    const codes = await Promise.all(tokens.map(async (token) => (await judged(all, token)).code));
    expect(new Set(codes)).toEqual(new Set(["accepted"]));
    expect(all.issuer.asked(PATH)).toBe(1);
  });

  test.for([
    { what: "is fetched no longer", watched: false, askedMax: 13 },
    { what: "is fetched on while it is watched", watched: true, askedMax: 16 },
  ])("that nobody has asked about for a minute $what", async ({ watched, askedMax }) => {
    const all = await scene();
    const { clock, issuer, verifier } = all;
    await judged(all, tokenAt(1));
    if (watched) verifier.signalFor(verifier.verify(tokenAt(1)));
    for (let second = 0; second < 75; second += 5) {
      replaced(all, {});
      // Whatever was due has been asked for by the time that something else is answered.
      await (await fetch(`${issuer.url}/else`)).text();
      const made = NOW * 1_000 + (second + 5) * 1_000;
      await vi.waitFor(() => {
        const { stalenessSeconds = 0 } = verifier.status();
        expect(clock.wallMs() - stalenessSeconds * 1_000).toBeGreaterThanOrEqual(made - 1);
      });
    }
    expect(issuer.asked(PATH)).toBe(askedMax);
  });
});

test("an X.509-SVID and a WIT-SVID are in no list, and refused", async () => {
  const issuer = await scriptedIssuer({ own, events });
  const authorityOf = authority();
  const { keys } = JSON.parse(x509BundleDocument(authorityOf));
  const wit = { use: "wit-svid", kid: "wit", ...own.publicKey.export({ format: "jwk" }) };
  issuer.serve("/spiffe-bundle.json", JSON.stringify({ keys: [...keys, wit], spiffe_sequence: 1 }));
  const revocation = { from: "status-list", issuer: ISSUER, trustDomain: "example.org", url: issuer.url } as const;
  const verifier = createVerifier({ audiences: [AUDIENCE], clock: manualClock(NOW * 1_000), revocation });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  expect(codeOf(() => verifier.verifyX509([leafOf(authorityOf).der]))).toBe("CERTIFICATE_INVALID");
  const holder = await newHolder();
  const svid = witSvid({ ...own, kid: "wit" }, holder);
  const proof = await workloadProof(holder, svid);
  const headers = { authorization: `WPT ${proof}`, "workload-identity-token": svid };
  const request = { method: "POST", url: URL_OF_REQUEST, headers };
  await verifier.learn(request);
  expect(() => verifier.verifyRequest(request)).toThrow("status lists tell this verifier nothing of WIT-SVIDs");
});

test("of more lists than are kept, those go that were begun first", async () => {
  const all = await scene();
  const named = (number: number) => `list-${number}`;
  for (let number = 0; number <= 256; number += 1) {
    const uri = `${ISSUER}/status/${named(number)}`;
    all.issuer.serve(`/status/${named(number)}`, statusList(events, { claims: { sub: uri } }));
    expect((await judged(all, tokenAt(1, inList(1, uri)))).code).toBe("accepted");
  }
  for (const [number, asked] of [
    [1, 1],
    [0, 2],
  ] as const) {
    expect((await judged(all, tokenAt(1, inList(1, `${ISSUER}/status/${named(number)}`)))).code).toBe("accepted");
    expect(all.issuer.asked(`/status/${named(number)}`)).toBe(asked);
  }
});

describe("without the broker", () => {
  test("it refuses by its bounds, what changes the world first, and says how stale it is", async () => {
    const all = await scene();
    const { verifier, clock, issuer } = all;
    await judged(all, tokenAt(1));
    const verified = verifier.verify(tokenAt(1));
    issuer.stop();
    expect(verifier.status().stalenessSeconds).toBe(0);
    clock.advance(15_000);
    expect(codeOf(() => verifier.authorize(verified, WRITE))).toBe("accepted");
    clock.advance(1);
    expect(codeOf(() => verifier.authorize(verified, WRITE))).toBe("STALE");
    expect(codeOf(() => verifier.authorize(verified, SEARCH))).toBe("accepted");
    expect(verifier.status()).toMatchObject({ refusal: "STALE", stalenessSeconds: 15.001 });
    await vi.waitFor(() => expect(verifier.status()).toMatchObject({ connected: false }));
    // Its own end is there before the bound of reading.
    clock.advance(44_999);
    expect((await judged(all, tokenAt(1))).code).toBe("STALE");
    expect(codeOf(() => verifier.recheck(verified))).toBe("STALE");
  });

  test("what it knows of a list is as old as the list was made, and not as it came", async () => {
    const all = await scene({ claims: { iat: NOW - 10, exp: NOW + 50 } });
    await judged(all, tokenAt(1));
    expect(all.verifier.status().stalenessSeconds).toBe(10);
    const verified = all.verifier.verify(tokenAt(1));
    all.issuer.stop();
    all.clock.advance(5_001);
    expect(codeOf(() => all.verifier.authorize(verified, WRITE))).toBe("STALE");
  });

  test("a machine that was suspended is out of date at once, and a clock that was set is found out", async () => {
    const all = await scene();
    await judged(all, tokenAt(1));
    const { verifier, clock } = all;
    const verified = verifier.verify(tokenAt(1));
    clock.setWall(NOW * 1_000 - 5_001);
    expect(codeOf(() => verifier.recheck(verified))).toBe("CLOCK_SKEWED");
    clock.setWall(NOW * 1_000);
    expect(codeOf(() => verifier.recheck(verified))).toBe("accepted");
    clock.suspend(16_000);
    expect(codeOf(() => verifier.authorize(verified, WRITE))).toBe("STALE");
  });

  test("keys that can't be had any more are believed no longer than the lists", async () => {
    const all = await scene();
    await judged(all, tokenAt(1));
    all.issuer.serve("/spiffe-bundle.json", (response) => void response.writeHead(500).end());
    for (let second = 0; second < 16; second += 1) {
      all.issuer.serve(PATH, statusList(events, { claims: times(all.clock) }));
      all.clock.advance(1_000);
      await judged(all, tokenAt(1));
    }
    const verified = all.verifier.verify(tokenAt(1));
    expect(codeOf(() => all.verifier.authorize(verified, WRITE))).toBe("STALE");
    expect(all.verifier.status().lastError).toMatch(/^\/spiffe-bundle.json /);
  });

  test("a broker that hangs is waited for three seconds, and no longer where a list is known", async () => {
    const all = await scene();
    const { verifier, clock, issuer } = all;
    await judged(all, tokenAt(1));
    issuer.serve(PATH, () => undefined);
    clock.advance(TTL_MS);
    await vi.waitFor(() => expect(issuer.asked(PATH)).toBe(2));
    const waiting = judged(all, tokenAt(1));
    clock.advance(3_001);
    expect((await waiting).code).toBe("accepted");
    clock.advance(1_001);
    await vi.waitFor(() => expect(issuer.asked(PATH)).toBe(3));
    expect((await judged(all, tokenAt(1))).code).toBe("accepted");
    expect(verifier.status().connected).toBe(false);
  });
});

describe("what it is created with", () => {
  const revocation = { from: "status-list", issuer: ISSUER, trustDomain: "example.org" } as const;
  test.for([
    { options: { endpoint: "/run/stint.sock" }, says: /^endpoint: / },
    { options: { grantsFrom: ["example.com"] }, says: /^grantsFrom: / },
    { options: { reportUsage: true }, says: /^reportUsage: / },
    { options: { receiptKeyFile: "/nowhere/key" }, says: /^receiptKeyFile: / },
    { options: { maxStalenessSeconds: { default: 11 } }, says: /^maxStalenessSeconds.default: .*at least 12/ },
    { options: { revocation: { ...revocation, issuer: "https://stint.example.org/" } }, says: /^revocation.issuer: / },
    { options: { revocation: { ...revocation, url: "http://stint.example.org" } }, says: /^revocation.url: / },
    { options: { revocation: { ...revocation, issuer: "http://stint.example.org" } }, says: /^revocation.url: / },
    { options: { revocation: { ...revocation, url: "https://stint.example.org/?x" } }, says: /^revocation.url: / },
    { options: { revocation: { ...revocation, roots: "none" } }, says: /^revocation.roots: / },
    { options: { revocation: { ...revocation, trustDomain: "Example" } }, says: /^revocation.trustDomain: / },
    { options: { revocation: { ...revocation, from: "crl" as "status-list" } }, says: /^revocation.from: / },
  ])("is refused: $says", ({ options, says }) => {
    expect(() => createVerifier({ audiences: [AUDIENCE], revocation, ...options })).toThrow(says);
  });

  test("a throw-away broker's trust domain is taken in development alone", async () => {
    const options = { revocation: { ...revocation, trustDomain: "stint-dev.invalid" } };
    const sub = "spiffe://stint-dev.invalid/agent/researcher/run/r1/step/search/1";
    const token = tokenAt(1, { sub, client_id: "spiffe://stint-dev.invalid/agent/researcher" });
    for (const [development, code] of [
      [false, "KEY_UNKNOWN"],
      [true, "accepted"],
    ] as const) {
      const issuer = await scriptedIssuer({ own, events });
      issuer.serve(PATH, statusList(events));
      const at = { revocation: { ...options.revocation, url: issuer.url } };
      const verifier = createVerifier({ audiences: [AUDIENCE], clock: manualClock(NOW * 1_000), development, ...at });
      onTestFinished(() => verifier.close());
      await verifier.ready();
      expect((await judged({ verifier }, token)).code).toBe(code);
    }
  });

  test("a server is believed by the roots that are given, and by no others", async () => {
    const { certificate, privateKey } = madeCertificate();
    const cert = readFileSync(certificate);
    const issuer = await scriptedIssuer({ own, events }, { cert, key: readFileSync(privateKey) });
    issuer.serve(PATH, statusList(events));
    const verifierBy = (more: { readonly roots?: string }) => {
      const at = { ...revocation, url: issuer.url, ...more };
      const verifier = createVerifier({ audiences: [AUDIENCE], clock: manualClock(NOW * 1_000), revocation: at });
      onTestFinished(() => verifier.close());
      return verifier;
    };
    const trusting = verifierBy({ roots: cert.toString() });
    await trusting.ready();
    expect((await judged({ verifier: trusting }, tokenAt(1))).code).toBe("accepted");
    const wary = verifierBy({});
    await vi.waitFor(() => expect(wary.status().lastError).toMatch(/can't be had: .*CERT/));
    expect((await judged({ verifier: wary }, tokenAt(1))).code).toBe("NOT_READY");
    expect(issuer.asked(PATH)).toBe(1);
  });
});

test("it waits to be ready for the keys, and says what for", async () => {
  const issuer = await scriptedIssuer({ own, events });
  issuer.serve("/spiffe-bundle.json", "no bundle");
  const clock = manualClock(NOW * 1_000);
  const revocation = { from: "status-list", issuer: ISSUER, trustDomain: "example.org", url: issuer.url } as const;
  const verifier = createVerifier({ audiences: [AUDIENCE], clock, revocation });
  onTestFinished(() => verifier.close());
  expect((await judged({ verifier }, tokenAt(1))).code).toBe("NOT_READY");
  await vi.waitFor(() => expect(verifier.status().lastError).toBe("bundle: a JSON object, no member twice"));
  const waiting = verifier.ready({ timeoutMs: 500 }).catch((thrown: Error) => thrown.message);
  clock.advance(501);
  expect(await waiting).toContain(`it waits for the keys of the broker at ${issuer.url} (bundle: `);
});

test("what takes the word of the broker is refused, and what is told to it goes nowhere", async () => {
  const all = await scene();
  const { verifier } = all;
  await judged(all, tokenAt(1));
  const verified = verifier.verify(tokenAt(1));
  await expect(verifier.check(verified, SEARCH)).rejects.toMatchObject({ code: "POLICY_DENIED" });
  await expect(verifier.reportTools([])).rejects.toMatchObject({ code: "UNAVAILABLE" });
  verifier.report(verified, SEARCH, "served");
  expect(verifier.status()).not.toHaveProperty("usage");
});

test("what was verified holds no longer than its token, since nothing is told of it from then on", async () => {
  const all = await scene({ claims: { exp: NOW + 600 } });
  const { verifier, clock } = all;
  const token = tokenAt(1, { exp: NOW + 5 });
  await judged(all, token);
  const verified = verifier.verify(token);
  clock.advance(9_999);
  expect(codeOf(() => verifier.recheck(verified))).toBe("accepted");
  clock.advance(1);
  expect(codeOf(() => verifier.recheck(verified))).toBe("EXPIRED");
});

test("once it is closed everything is refused, and nothing is fetched any more", async () => {
  const all = await scene();
  const { verifier, clock, issuer } = all;
  await judged(all, tokenAt(1));
  verifier.close();
  clock.advance(TTL_MS);
  await verifier.learn(tokenAt(1));
  expect(codeOf(() => verifier.verify(tokenAt(1)))).toBe("NOT_READY");
  expect(issuer.asked(PATH)).toBe(1);
});
