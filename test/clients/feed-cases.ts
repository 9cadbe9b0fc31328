import { toJson } from "@bufbuild/protobuf";
import { WatchResponseSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import {
  bundle,
  denied,
  deniedCertificate,
  deniedJwt,
  deniedStep,
  response,
  snapshot,
  timestampMs,
} from "../sdk/verifier/feed-responses.ts";
import { AUDIENCE, bundleDocument, ecSigner, ISSUER, mint, NOW, SUBJECT } from "../verify/token-forge.ts";
import type { FeedAct, FeedOutcome, FeedScene, FeedVectors } from "./feed-vectors.ts";

// The scenes of test/vectors/feed.json, before their tokens are pinned: what a verifier knows by its feed, and when it refuses.

const NOW_MS = NOW * 1_000;
const own = ecSigner("own");
const foreign = ecSigner("foreign");
const STEP_ID = "step_0190a5f2";
const JTI = "AYh5t0Zk3Ez8yB8n2mRkQw";
const FOREIGN = "spiffe://other.example";
const FOREIGN_ISSUER = "https://stint.other.example";
/** Long enough for every scene. */
const lasting = { exp: NOW + 3_000 };

const ELEMENT = {
  type: "mcp_tool",
  locations: [AUDIENCE],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
const wider = [
  ELEMENT,
  { ...ELEMENT, identifier: "*", actions: ["write"] },
  { ...ELEMENT, identifier: "counted", max_calls: 3 },
  { ...ELEMENT, identifier: "pinned", definition_sha256: "1a".repeat(32) },
  { ...ELEMENT, locations: ["https://other.example.org"], identifier: "elsewhere" },
];

/** Documents that a verifier takes whole, or not at all. */
function oddBundles(): Readonly<Record<OddBundle, ReturnType<typeof bundle>>> {
  const { keys } = JSON.parse(bundleDocument(own)) as { readonly keys: readonly Record<string, unknown>[] };
  const [key = {}] = keys;
  const document = (...members: readonly unknown[]) => bundle(JSON.stringify({ keys: members }), { issuer: ISSUER });
  return {
    "bundle with a kid twice": document({ ...key, use: "wit-svid" }, key),
    "bundle with a private key": document(key, { ...key, kid: "other", d: "AA" }),
    "bundle with a key without kid": document(key, { ...key, kid: undefined }),
    "bundle with a coordinate that is no base64url": document(key, { ...key, kid: "other", x: "+" }),
    "bundle with a certificate that is none": document(key, { kty: "EC", use: "x509-svid", x5c: ["?"] }),
    "bundle with an element that is no object": document(key, 1),
    "bundle with a sequence that is no number": bundle(JSON.stringify({ keys, spiffe_sequence: "1" }), {
      issuer: ISSUER,
    }),
    "bundle of keys that are for something else": document({ ...key, use: "sig" }),
    "bundle of keys that are for WIT-SVIDs": document({ ...key, use: "wit-svid" }),
    "bundle with keys of other kinds beside": document(key, { kty: "OKP" }, { ...key, use: "x" }),
    "bundle with a point off its curve beside": document(key, { ...key, kid: "other", y: key["x"] }),
  };
}
const ODD_BUNDLES = {
  "bundle with a kid twice": false,
  "bundle with a private key": false,
  "bundle with a key without kid": false,
  "bundle with a coordinate that is no base64url": false,
  "bundle with a certificate that is none": false,
  "bundle with an element that is no object": false,
  "bundle with a sequence that is no number": false,
  "bundle of keys that are for something else": false,
  "bundle of keys that are for WIT-SVIDs": false,
  "bundle with keys of other kinds beside": true,
  "bundle with a point off its curve beside": true,
} as const;
type OddBundle = keyof typeof ODD_BUNDLES;

const tokens = {
  good: mint(own, { claims: lasting }),
  "of the same step": mint(own, { claims: { ...lasting, jti: "another" } }),
  "of another step": mint(own, {
    claims: { ...lasting, sub: SUBJECT.replace("/r1/", "/r2/"), run_id: "r2", step_id: "step_other", jti: "other" },
  }),
  short: mint(own),
  wide: mint(own, { claims: { ...lasting, authorization_details: wider } }),
  "without a step": mint(own, { claims: { ...lasting, step_id: undefined } }),
  "without a jti": mint(own, { claims: { ...lasting, jti: undefined } }),
  "foreign and short": mint(foreign, {
    claims: {
      iss: FOREIGN_ISSUER,
      sub: `${FOREIGN}/agent/researcher/run/r1/step/search/1`,
      client_id: `${FOREIGN}/agent/researcher`,
    },
  }),
  foreign: mint(foreign, {
    claims: {
      ...lasting,
      iss: FOREIGN_ISSUER,
      sub: `${FOREIGN}/agent/researcher/run/r1/step/search/1`,
      client_id: `${FOREIGN}/agent/researcher`,
    },
  }),
} as const;

const messages = {
  "empty snapshot": snapshot([], "c1"),
  "snapshot with the step": snapshot([deniedStep(STEP_ID, SUBJECT)], "c1"),
  "first part with the step": snapshot([deniedStep(STEP_ID, SUBJECT)]),
  "last part with a token": snapshot([deniedJwt(ISSUER, "other")], "c1"),
  "own bundle": bundle(bundleDocument(own), { issuer: ISSUER }),
  "own bundle, for development": bundle(bundleDocument(own), { issuer: ISSUER, development: true }),
  "own bundle without keys": bundle('{"keys":[]}', { issuer: ISSUER }),
  "no bundle": bundle("x", { issuer: ISSUER }),
  ...oddBundles(),
  "foreign bundle": bundle(bundleDocument(foreign), { trustDomain: FOREIGN, issuer: FOREIGN_ISSUER, federated: true }),
  "step denied": denied([deniedStep(STEP_ID, SUBJECT)], "d1"),
  "step denied by its id alone": denied([deniedStep(STEP_ID, "spiffe://example.org/x")], "d1"),
  "step denied by its SPIFFE ID alone": denied([deniedStep("step_x", SUBJECT)], "d1"),
  "step denied with a state to come": denied([deniedStep(STEP_ID, SUBJECT, { state: 99 as never })], "d1"),
  "token denied": denied([deniedJwt(ISSUER, JTI)], "d1"),
  "token denied at another issuer": denied([deniedJwt("https://other.example.org", JTI)], "d1"),
  "certificate denied": denied([deniedCertificate(new Uint8Array([1]), "0a")], "d1"),
  "step denied for a minute": denied(
    [deniedStep(STEP_ID, SUBJECT, { forgetAfter: timestampMs(NOW_MS + 60_000) })],
    "d1",
  ),
  "step denied for ever": denied([deniedStep(STEP_ID, SUBJECT)], "d2"),
  "a denial of nothing": denied([{ reason: "keyCompromise" }], "d1"),
  "nothing denied": denied([], "d9"),
  nothing: response({ case: "denied", value: { denials: [] } }),
} as const;

type Token = keyof typeof tokens;

const send = (message: keyof typeof messages): FeedAct => ({ do: "send", message });
const acknowledged = (cursor: string): FeedAct => ({ do: "acknowledged", cursor });
const advance = (ms: number): FeedAct => ({ do: "advance", ms });
const pong = (cursor: string, more: { readonly ahead_ms?: number; readonly after_ms?: number } = {}): FeedAct => ({
  do: "pong",
  cursor,
  ...more,
});
const verify = (token: Token, is: FeedOutcome, actions?: readonly string[]): FeedAct => ({
  do: "verify",
  token,
  is,
  ...(actions && { actions }),
});
const authorize = (token: Token, tool: string, actions: readonly string[], is: FeedOutcome): FeedAct => ({
  do: "authorize",
  token,
  use: { tool, actions, datatypes: ["internal"] },
  is,
});

const refused = (code: string, message: string, metadata: Readonly<Record<string, string>> = {}): FeedOutcome => ({
  refused: code,
  message,
  metadata,
});
const NOT_READY = refused("NOT_READY", "the verifier has no revocations or keys yet");
const STALE = refused("STALE", "the revocations known to the verifier are out of date");
const SKEWED = refused("CLOCK_SKEWED", "the clock of the verifier is not that of the broker");
const ended = (state = "COMPLETED") =>
  refused("REVOKED", "the step has ended", { reason: "cessationOfOperation", state });
const revoked = refused("REVOKED", "the credential was revoked", { reason: "keyCompromise" });
const exceeded = refused(
  "GRANT_EXCEEDED",
  "the grant of the step does not permit this, which takes a step that was opened for it",
);
const otherDefinition = refused(
  "GRANT_EXCEEDED",
  "the grant is for another definition of the tool, and this one takes a step that was opened for it",
);
const unknownKey = refused("KEY_UNKNOWN", "the key is none of those of the trust domain of the subject");
const expired = refused("EXPIRED", "the token has expired");

/** A verifier that knows the keys, denies nothing, and was just confirmed. */
const ready: readonly FeedAct[] = [
  send("own bundle"),
  send("empty snapshot"),
  acknowledged("c1"),
  pong("c2"),
  acknowledged("c2"),
];
const scene = (name: string, script: readonly FeedAct[], options: FeedScene["options"] = {}): FeedScene => ({
  name,
  options,
  script,
});

const scenes: readonly FeedScene[] = [
  scene("before deny-list, keys and time are there, everything is refused", [
    verify("good", NOT_READY),
    send("empty snapshot"),
    acknowledged("c1"),
    verify("good", NOT_READY),
    send("own bundle"),
    send("nothing denied"),
    acknowledged("d9"),
    verify("good", NOT_READY),
    pong("c3"),
    acknowledged("c3"),
    verify("good", "accepted"),
  ]),
  scene("a bundle that is none leaves no key, and the verifier ready", [
    send("no bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2"),
    acknowledged("c2"),
    verify("good", unknownKey),
  ]),
  scene("a step that ends is refused with all its tokens, and no other", [
    ...ready,
    verify("good", "accepted"),
    send("step denied"),
    acknowledged("d1"),
    verify("good", ended()),
    verify("of the same step", ended()),
    verify("of another step", "accepted"),
    authorize("good", "search", ["read"], ended()),
    { do: "recheck", token: "good", is: ended() },
  ]),
  ...(["step denied by its id alone", "step denied by its SPIFFE ID alone"] as const).map((message) =>
    scene(`a ${message}`, [...ready, send(message), acknowledged("d1"), verify("good", ended())]),
  ),
  scene("a step that ended in a state of later versions", [
    ...ready,
    send("step denied with a state to come"),
    acknowledged("d1"),
    verify("good", ended("UNKNOWN")),
  ]),
  scene("a token that is taken back is refused, and its step goes on", [
    ...ready,
    send("token denied"),
    acknowledged("d1"),
    verify("good", revoked),
    verify("of the same step", "accepted"),
  ]),
  scene("a jti means nothing at another issuer", [
    ...ready,
    send("token denied at another issuer"),
    acknowledged("d1"),
    verify("good", "accepted"),
  ]),
  scene("a certificate that is taken back says nothing of tokens", [
    ...ready,
    send("certificate denied"),
    acknowledged("d1"),
    verify("good", "accepted"),
  ]),
  scene("a snapshot in parts applies when its last has come", [
    send("own bundle"),
    send("first part with the step"),
    pong("x1"),
    send("last part with a token"),
    acknowledged("c1"),
    advance(1_000),
    pong("c2"),
    acknowledged("c2"),
    verify("good", ended()),
    verify("of another step", revoked),
  ]),
  scene("a snapshot takes nothing off the list", [
    ...ready,
    send("step denied"),
    acknowledged("d1"),
    send("empty snapshot"),
    acknowledged("c1"),
    verify("good", ended()),
  ]),
  scene("a denial is forgotten when it may be, and not before", [
    ...ready,
    send("step denied for a minute"),
    acknowledged("d1"),
    advance(31_000),
    { do: "reconnected", cursor: "d1" },
    pong("c3"),
    acknowledged("c3"),
    verify("good", ended()),
    advance(31_000),
    { do: "reconnected", cursor: "c3" },
    pong("c4"),
    acknowledged("c4"),
    verify("good", "accepted"),
  ]),
  scene("the longer of two denials counts", [
    ...ready,
    send("step denied for a minute"),
    acknowledged("d1"),
    send("step denied for ever"),
    acknowledged("d2"),
    advance(61_000),
    { do: "reconnected", cursor: "d2" },
    pong("c3"),
    acknowledged("c3"),
    verify("good", ended()),
  ]),
  scene("without the feed, writing is refused after 15 s and reading after 60 s", [
    ...ready,
    verify("wide", "accepted"),
    advance(15_000),
    verify("wide", "accepted", ["write"]),
    advance(1),
    verify("wide", STALE, ["write"]),
    verify("wide", STALE, ["read", "write"]),
    authorize("wide", "search", ["write"], STALE),
    authorize("wide", "search", ["read"], "accepted"),
    verify("wide", "accepted"),
    advance(44_999),
    verify("wide", "accepted", ["read"]),
    advance(1),
    verify("wide", STALE, ["read"]),
    verify("wide", STALE),
    { do: "recheck", token: "wide", is: STALE },
  ]),
  scene(
    "the verifier's own bounds hold in their place",
    [
      ...ready,
      advance(5_001),
      verify("good", STALE, ["write"]),
      verify("good", "accepted", ["execute"]),
      advance(5_000),
      verify("good", STALE, ["execute"]),
      verify("good", "accepted", ["read"]),
    ],
    { max_staleness_seconds: { write: 5, default: 10 } },
  ),
  scene("a machine that was suspended knows that it was", [
    ...ready,
    { do: "suspend", ms: 60_001 },
    verify("good", STALE),
  ]),
  scene("age is counted from when the ping was sent", [
    send("own bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2", { after_ms: 4_000 }),
    acknowledged("c2"),
    advance(11_000),
    verify("good", "accepted", ["write"]),
    advance(1),
    verify("good", STALE, ["write"]),
  ]),
  scene("an answer that took longer than the skew that it is to reveal says nothing", [
    send("own bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("x", { after_ms: 5_001 }),
    send("nothing denied"),
    acknowledged("d9"),
    verify("good", NOT_READY),
  ]),
  scene("a clock that is not the broker's refuses", [
    send("own bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2", { ahead_ms: 5_001 }),
    acknowledged("c2"),
    verify("good", SKEWED),
    advance(1_000),
    pong("c3", { ahead_ms: -5_000 }),
    acknowledged("c3"),
    verify("good", "accepted"),
  ]),
  scene("a clock that is set shows at once", [
    ...ready,
    { do: "set_wall", ahead_ms: 5_000 },
    verify("good", "accepted"),
    { do: "set_wall", ahead_ms: 1 },
    verify("good", SKEWED),
    { do: "set_wall", ahead_ms: -10_002 },
    verify("good", SKEWED),
  ]),
  scene("a development trust domain is refused", [
    send("own bundle, for development"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2"),
    acknowledged("c2"),
    verify("good", refused("KEY_UNKNOWN", "the subject is of a trust domain that is for development only")),
  ]),
  scene(
    "a development trust domain is accepted in development",
    [
      send("own bundle, for development"),
      send("empty snapshot"),
      acknowledged("c1"),
      pong("c2"),
      acknowledged("c2"),
      verify("good", "accepted"),
    ],
    { development: true },
  ),
  scene("keys that are taken out are believed no more", [
    ...ready,
    verify("good", "accepted"),
    send("own bundle without keys"),
    send("nothing denied"),
    acknowledged("d9"),
    verify("good", unknownKey),
  ]),
  scene("a foreign step identifies, and is granted nothing", [
    send("own bundle"),
    send("foreign bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2"),
    acknowledged("c2"),
    verify("foreign", "accepted"),
    authorize(
      "foreign",
      "search",
      ["read"],
      refused("GRANT_EXCEEDED", "the step is of a foreign trust domain, whose grants do not count here"),
    ),
  ]),
  scene(
    "a foreign step is granted what its broker says, where the verifier takes its grants",
    [
      send("own bundle"),
      send("foreign bundle"),
      send("empty snapshot"),
      acknowledged("c1"),
      pong("c2"),
      acknowledged("c2"),
      verify("foreign", "accepted"),
      authorize("foreign", "search", ["read"], "accepted"),
      authorize("foreign", "search", ["write"], exceeded),
    ],
    { grants_from: ["other.example"] },
  ),
  scene("a foreign step is served no longer than its token lasts, for nobody tells of its end", [
    send("own bundle"),
    send("foreign bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2"),
    acknowledged("c2"),
    verify("foreign and short", "accepted"),
    { do: "recheck", token: "foreign and short", is: "accepted" },
    advance(124_999),
    { do: "reconnected", cursor: "c2" },
    send("foreign bundle"),
    pong("c3"),
    acknowledged("c3"),
    { do: "recheck", token: "foreign and short", is: expired },
  ]),
  ...Object.entries(ODD_BUNDLES).map(([message, isTaken]) =>
    scene(`a ${message} ${isTaken ? "is taken without what it can't use" : "leaves no key"}`, [
      send(message as OddBundle),
      send("empty snapshot"),
      acknowledged("c1"),
      pong("c2"),
      acknowledged("c2"),
      verify("good", isTaken ? "accepted" : unknownKey),
    ]),
  ),
  scene("a foreign bundle alone makes no verifier ready", [
    send("foreign bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("x"),
    send("nothing denied"),
    acknowledged("d9"),
    verify("foreign", NOT_READY),
  ]),
  scene("a foreign bundle that does not come again was withdrawn", [
    send("own bundle"),
    send("foreign bundle"),
    send("empty snapshot"),
    acknowledged("c1"),
    pong("c2"),
    acknowledged("c2"),
    verify("foreign", "accepted"),
    { do: "reconnected", cursor: "c2" },
    pong("c3"),
    acknowledged("c3"),
    verify("foreign", refused("KEY_UNKNOWN", "the subject is of a trust domain that is not known here")),
    verify("good", "accepted"),
  ]),
  scene("what a step may do is what one element of its grant says", [
    ...ready,
    verify("wide", "accepted"),
    authorize("wide", "search", ["read"], "accepted"),
    authorize("wide", "anything", ["write"], "accepted"),
    authorize("wide", "search", ["read", "write"], exceeded),
    authorize("wide", "other", ["read"], exceeded),
    authorize("wide", "elsewhere", ["read"], exceeded),
    authorize("wide", "search", ["execute"], exceeded),
    authorize(
      "wide",
      "counted",
      ["read"],
      refused("CHECK_REQUIRED", "the grant allows so many calls only, and the broker counts them"),
    ),
    authorize("wide", "counted", ["write"], "accepted"),
    // A verifier that does not see the tools' definitions can't tell whether this one is meant.
    authorize("wide", "pinned", ["read"], otherDefinition),
    authorize("wide", "pinned", ["write"], "accepted"),
  ]),
  scene("a token that expired after it was verified begins nothing more, and ends nothing", [
    ...ready,
    verify("short", "accepted"),
    advance(124_999),
    { do: "reconnected", cursor: "c2" },
    pong("c3"),
    acknowledged("c3"),
    authorize("short", "search", ["read"], expired),
    { do: "recheck", token: "short", is: "accepted" },
    verify("short", expired),
  ]),
  ...(["without a step", "without a jti"] as const).map((token) =>
    scene(`a token ${token} lacks a name by which it could be denied`, [
      ...ready,
      verify(token, refused("CLAIMS_INVALID", "claims of the token: expected iss, jti and the facts of a step")),
    ]),
  ),
];

export const FEED_VECTORS: FeedVectors = {
  about: [
    "What every verifier that follows the broker's feed knows and refuses, whatever its language. Each scene is a script for a broker, a clock and a verifier; its acts are described in test/clients/feed-vectors.ts.",
    "The clock starts at `now_ms` and moves only as the script says, and by 2,000 ms after each stream that has ended. What the verifier does by its clock, a ping each second first of all, it does as that time passes.",
    "Written by test/clients/write-vectors.ts from test/clients/feed-cases.ts; the private keys were kept nowhere.",
  ],
  now_ms: NOW_MS,
  audience: AUDIENCE,
  tokens,
  messages: Object.fromEntries(
    Object.entries(messages).map(([name, message]) => [name, toJson(WatchResponseSchema, message)]),
  ),
  scenes,
};
