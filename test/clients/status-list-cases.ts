import { deflateSync } from "node:zlib";
import { eventKeysOf } from "../sdk/verifier/scripted-issuer.ts";
import { bitsOf, inList, LIST, LIST_URI, type ListChanges, statusList } from "../verify/status-list-forge.ts";
import {
  AUDIENCE,
  base64url,
  bundleDocument,
  ecSigner,
  ISSUER,
  type Json,
  mint,
  NOW,
  type Signer,
} from "../verify/token-forge.ts";
import { badLists } from "./bad-status-lists.ts";
import type { FeedOutcome } from "./feed-vectors.ts";
import type { ListAct, ListScene, StatusListVectors } from "./status-list-vectors.ts";

// The scenes of test/vectors/status-list.json, before their tokens are pinned: what a verifier by status lists refuses, and when.

const own = ecSigner("own");
const events = ecSigner("events");
const next = ecSigner("next");
const LIST_PATH = `/status/${LIST}`;
const KEYS_PATH = "/keys/events.json";
const BUNDLE_PATH = "/spiffe-bundle.json";
const DEVELOPMENT = "stint-dev.invalid";
const ELEMENT = {
  type: "mcp_tool",
  locations: [AUDIENCE],
  identifier: "search",
  actions: ["read", "write"],
  datatypes: ["internal"],
};
const lasting = { exp: NOW + 600, authorization_details: [ELEMENT] };
const at = (idx: unknown, claims: Json = {}, by = own) =>
  mint(by, { claims: { ...lasting, ...inList(idx as number), ...claims } });
const agentOf = (trustDomain: string) => ({
  sub: `spiffe://${trustDomain}/agent/researcher/run/r1/step/search/1`,
  client_id: `spiffe://${trustDomain}/agent/researcher`,
});

const tokens = {
  ...Object.fromEntries([...Array(16).keys(), 1_023, 1_024, 131_071].map((idx) => [`at ${idx}`, at(idx)])),
  "at -1": at(-1),
  "at half an index": at(1.5),
  "at an index in words": at("1"),
  "in no list": at(1, { status: undefined }),
  "in a status that is no object": at(1, { status: { status_list: LIST_URI } }),
  "in a list of somebody else": at(1, inList(1, `https://attacker.example/status/${LIST}`)),
  "in a list elsewhere": at(1, inList(1, `${ISSUER}/status/../jwks`)),
  "in a list without a name": at(1, inList(1, `${ISSUER}/status/`)),
  expired: at(1, { exp: NOW - 10 }),
  "soon over": at(1, { exp: NOW + 5 }),
  "for its broker": at(1, { may_act: {} }),
  "by somebody else": at(1, {}, ecSigner("own")),
  "of another trust domain": at(1, agentOf("other.example")),
  "for development": at(1, agentOf(DEVELOPMENT)),
} as const;
type Token = keyof typeof tokens | `at ${number}`;

const documents: Record<string, string> = {};
/** Puts a document under a name. */
function named(name: string, document: string): string {
  if (Object.hasOwn(documents, name)) throw new Error(`two documents are ${name}`);
  documents[name] = document;
  return name;
}
const list = (name: string, changes: ListChanges = {}, by: Signer = events) => named(name, statusList(by, changes));
const later = (seconds: number, claims: Json = {}) => ({ iat: NOW + seconds, exp: NOW + seconds + 60, ...claims });

const refused = (code: string, message: string, metadata: Readonly<Record<string, string>> = {}): FeedOutcome => ({
  refused: code,
  message,
  metadata,
});
const revoked = refused("REVOKED", "the token is not valid any more by its status list", { reason: "unspecified" });
const unknown = (code?: string) =>
  refused("NOT_READY", "the status list of the token is not known", code === undefined ? {} : { status_list: code });
const outdated = refused("STALE", "what is known of the status list of the token is out of date");
const stale = refused("STALE", "the revocations known to the verifier are out of date");
const behind = refused("CLOCK_SKEWED", "the clock of the verifier is behind that of the broker");
const claims = (expected: string) => refused("CLAIMS_INVALID", `claims of the token: expected ${expected}`);
const beyond = claims("status.status_list.idx within its list");
const expired = refused("EXPIRED", "the token has expired");

const READY: ListAct = { do: "ready" };
const serve = (document: string, path?: string): ListAct => ({ do: "serve", document, ...(path && { path }) });
const advance = (ms: number): ListAct => ({ do: "advance", ms });
const verify = (token: Token, is: FeedOutcome, actions?: readonly string[]): ListAct => ({
  do: "verify",
  token,
  is,
  ...(actions && { actions }),
});
const authorize = (token: Token, actions: readonly string[], is: FeedOutcome): ListAct => ({
  do: "authorize",
  token,
  actions,
  is,
});
const recheck = (token: Token, is: FeedOutcome): ListAct => ({ do: "recheck", token, is });
const status = (is: Extract<ListAct, { do: "status" }>["is"]): ListAct => ({ do: "status", is });
const scene = (name: string, script: readonly ListAct[], options: ListScene["options"] = {}): ListScene => ({
  name,
  options,
  script,
});

const allValid = list("all valid");
const allValidNext = list("all valid, five seconds later", { claims: later(5) });

const bad = badLists(own).map(({ what, code, says, changes, by = events }) => ({
  ...{ what, code, says },
  list: list(`a list ${what}`, changes, by),
}));

/** Sixteen tokens of two bits each. */
function twoBits(statusOf: (index: number) => number): Uint8Array {
  const bytes = new Uint8Array(4);
  for (let index = 0; index < 16; index += 1) {
    bytes[index >> 2] = (bytes[index >> 2] ?? 0) | (statusOf(index) << ((index & 3) * 2));
  }
  return bytes;
}

const scenes: readonly ListScene[] = [
  scene("a token is taken while its list has it as valid, and its neighbors are refused that are not", [
    serve(list("2 and 4 are invalid", { bytes: bitsOf([2, 4]) })),
    READY,
    verify("at 1", "accepted"),
    verify("at 2", revoked),
    verify("at 3", "accepted"),
    verify("at 4", revoked),
    verify("at 1023", "accepted"),
    verify("at 1024", beyond),
    status({ connected: true, denied: 2, refusal: null, bundles: 1, staleness_seconds: 0, last_error: null }),
    { do: "asked", times: 1 },
  ]),
  ...(
    [
      { bits: 2, bytes: Uint8Array.of(0b10_01_00_11), is: [revoked, "accepted", revoked, revoked, beyond] },
      { bits: 4, bytes: Uint8Array.of(0x20), is: ["accepted", revoked, beyond] },
      { bits: 8, bytes: Uint8Array.of(0x00, 0x0c), is: ["accepted", revoked, beyond] },
    ] as const
  ).map(({ bits, bytes, is }) =>
    scene(`a token is refused with every status of ${bits} bits but valid`, [
      serve(list(`a list of ${bits} bits`, { bits, bytes })),
      READY,
      ...is.map((outcome, idx) => verify(`at ${idx}`, outcome)),
      status({ denied: is.filter((one) => one === revoked).length }),
    ]),
  ),
  scene("a list with as many bits as lists may have is taken", [
    serve(list("the largest list", { bits: 8, bytes: new Uint8Array(131_072) })),
    READY,
    verify("at 131071", "accepted"),
  ]),
  scene("a list without tokens is taken, and has nobody's", [
    serve(list("an empty list", { bytes: new Uint8Array(0) })),
    READY,
    verify("at 0", beyond),
  ]),
  scene("what a list says beside is passed over", [
    serve(
      list("a list with more", {
        header: { cty: "x" },
        claims: { ttl: undefined, aud: "x", status_list: { bits: 1, lst: base64url(deflateSync(bitsOf([7]))), x: 1 } },
      }),
    ),
    READY,
    verify("at 7", revoked),
    verify("at 8", "accepted"),
  ]),
  ...bad.map(({ what, code, says, list: document }) =>
    scene(`a list ${what} tells nothing, and is named as the reason`, [
      serve(document),
      READY,
      verify("at 1", unknown(code)),
      status({ connected: false, refusal: "NOT_READY", last_error: says }),
    ]),
  ),
  scene("a list whose members occur twice tells nothing", [
    serve(
      named(
        "a list with two ttl",
        (() => {
          const [head = "", body = "", signature = ""] = (documents[allValid] ?? "").split(".");
          const twice = Buffer.from(body, "base64url").toString().replace('"ttl":5', '"ttl":5,"ttl":5');
          return `${head}.${base64url(twice)}.${signature}`;
        })(),
      ),
    ),
    READY,
    verify("at 1", unknown("TOKEN_MALFORMED")),
  ]),
  scene("what is no list at all tells nothing", [
    serve(named("no list", "<html>")),
    READY,
    verify("at 1", unknown("TOKEN_MALFORMED")),
  ]),
  ...(
    [
      ["in no list", claims("status.status_list, since nothing else would tell of its end")],
      ["in a status that is no object", claims("status.status_list, since nothing else would tell of its end")],
      ["in a list of somebody else", claims("status.status_list.uri of a list of the issuer")],
      ["in a list elsewhere", claims("status.status_list.uri of a list of the issuer")],
      ["in a list without a name", claims("status.status_list.uri of a list of the issuer")],
      ["at -1", claims("status.status_list.idx as a whole number")],
      ["at half an index", claims("status.status_list.idx as a whole number")],
      ["at an index in words", claims("status.status_list.idx as a whole number")],
      ["expired", expired],
      ["by somebody else", refused("SIGNATURE_INVALID", "the signature does not hold")],
      ["of another trust domain", refused("KEY_UNKNOWN", "the subject is of a trust domain that is not known here")],
    ] as const
  ).map(([token, is]) =>
    scene(`a token ${token} is refused, and nothing is fetched for it`, [
      serve(allValid),
      READY,
      verify(token, is),
      { do: "asked", times: 0 },
      { do: "asked", path: "/jwks", times: 0 },
    ]),
  ),
  scene("a token that is for its broker is refused", [
    serve(allValid),
    READY,
    verify("for its broker", claims("no may_act: a delegation token is for its broker")),
  ]),
  scene("a list is asked for again once it is older than its ttl", [
    serve(allValid),
    READY,
    verify("at 7", "accepted"),
    advance(4_999),
    verify("at 7", "accepted"),
    { do: "asked", times: 1 },
    serve(list("7 is invalid, five seconds later", { bytes: bitsOf([7]), claims: later(5) })),
    advance(2),
    verify("at 7", revoked),
  ]),
  scene("what was begun with a token ends within one refresh, without anybody asking", [
    serve(allValid),
    READY,
    verify("at 7", "accepted"),
    { do: "listen", token: "at 7" },
    authorize("at 7", ["read"], "accepted"),
    serve("7 is invalid, five seconds later"),
    advance(5_001),
    { do: "told", token: "at 7", is: revoked },
    authorize("at 7", ["read"], revoked),
    recheck("at 7", revoked),
    verify("at 8", "accepted"),
  ]),
  scene("a list that is older than the one before is not taken", [
    serve(list("7 is invalid", { bytes: bitsOf([7]) })),
    READY,
    verify("at 7", revoked),
    serve(list("all valid, a second earlier", { claims: later(-1) })),
    advance(5_001),
    verify("at 7", revoked),
    status({ last_error: "the status list is older than the one before" }),
    verify("at 8", "accepted"),
  ]),
  scene("a list that has forgotten what was invalid does not make it valid again", [
    serve("7 is invalid"),
    READY,
    verify("at 7", revoked),
    serve(list("9 is invalid, five seconds later", { bytes: bitsOf([9]), claims: later(5) })),
    advance(5_001),
    verify("at 9", revoked),
    verify("at 7", revoked),
    verify("at 8", "accepted"),
    status({ denied: 2 }),
  ]),
  scene("what was suspended may be valid again, and what was invalid may not", [
    serve(list("0 is suspended and 1 invalid", { bits: 2, bytes: Uint8Array.of(0b01_10) })),
    READY,
    verify("at 0", revoked),
    verify("at 1", revoked),
    serve(list("neither, five seconds later", { bits: 2, bytes: Uint8Array.of(0), claims: later(5) })),
    advance(5_001),
    verify("at 0", "accepted"),
    verify("at 1", revoked),
  ]),
  scene("of every two statuses that a token has had, the later one counts, but for one that was invalid", [
    serve(list("every status four times", { bits: 2, bytes: twoBits((index) => index >> 2) })),
    READY,
    verify("at 0", "accepted"),
    serve(list("four times every status", { bits: 2, bytes: twoBits((index) => index & 3), claims: later(5) })),
    advance(5_001),
    ...[...Array(16).keys()].map((index) =>
      verify(`at ${index}`, index >> 2 !== 1 && (index & 3) === 0 ? "accepted" : revoked),
    ),
  ]),
  ...(
    [
      ["a second", 1, 1_000],
      ["less than a second, as if it were one", 0.25, 1_000],
      ["more than five seconds, as if it were five", 60, 5_000],
    ] as const
  ).map(([what, ttl, ms]) =>
    scene(`a list whose ttl is ${what} is asked for again after that`, [
      serve(list(`a list whose ttl is ${ttl}`, { claims: { ttl } })),
      READY,
      verify("at 1", "accepted"),
      advance(ms - 1),
      verify("at 1", "accepted"),
      { do: "asked", times: 1 },
      advance(2),
      verify("at 1", "accepted"),
      { do: "asked", times: 2 },
    ]),
  ),
  ...(
    [
      ["with 503", { status: 503 }, `${LIST_PATH} was answered 503`],
      ["with 404", { status: 404 }, `${LIST_PATH} was answered 404`],
      ["from elsewhere", { status: 302, headers: { location: `/else` } }, `${LIST_PATH} was answered 302`],
      ["compressed", { document: allValid, headers: { "content-encoding": "gzip" } }, `${LIST_PATH} came compressed`],
      ["at more length than lists have", { filler_bytes: 262_145 }, `${LIST_PATH} has more than 262144 bytes`],
    ] as const
  ).map(([what, served, says]) =>
    scene(`a list that is answered ${what} tells nothing`, [
      { do: "serve", ...served },
      READY,
      verify("at 1", unknown()),
      status({ connected: false, last_error: says }),
      { do: "asked", path: "/else", times: 0 },
      serve(allValid),
      advance(1_001),
      verify("at 1", "accepted"),
      status({ connected: true, last_error: null }),
    ]),
  ),
  scene("a list by a key that has come since is taken once the keys were asked for", [
    serve(list("by the next key", {}, next)),
    READY,
    serve(named("the next keys", eventKeysOf(events, next)), KEYS_PATH),
    advance(2_001),
    verify("at 1", "accepted"),
  ]),
  scene("lists by keys that nobody knows have the keys asked for no more than once in two seconds", [
    serve("by the next key"),
    READY,
    verify("at 1", unknown("KEY_UNKNOWN")),
    advance(1_001),
    verify("at 1", unknown("KEY_UNKNOWN")),
    { do: "asked", path: KEYS_PATH, times: 1 },
    advance(1_001),
    verify("at 1", unknown("KEY_UNKNOWN")),
    { do: "asked", path: KEYS_PATH, times: 2 },
  ]),
  scene("before the keys are there everything is refused", [
    serve(named("no bundle", "no bundle"), BUNDLE_PATH),
    verify("at 1", refused("NOT_READY", "the verifier has no revocations or keys yet")),
    { do: "asked", times: 0 },
    status({ connected: false, refusal: "NOT_READY", staleness_seconds: null, bundles: 0, denied: 0 }),
  ]),
  scene("without the broker, writing is refused after 15 s and reading after 60 s", [
    serve(allValid),
    READY,
    verify("at 1", "accepted"),
    { do: "stop" },
    advance(15_000),
    authorize("at 1", ["write"], "accepted"),
    advance(1),
    authorize("at 1", ["write"], stale),
    authorize("at 1", ["read", "write"], stale),
    authorize("at 1", ["read"], "accepted"),
    status({ refusal: "STALE", staleness_seconds: 15.001 }),
    advance(44_998),
    recheck("at 1", "accepted"),
    // The end of the list itself.
    advance(1),
    recheck("at 1", outdated),
    advance(1),
    recheck("at 1", stale),
    verify("at 1", stale),
  ]),
  scene(
    "the verifier's own bounds hold in their place",
    [
      serve(allValid),
      READY,
      verify("at 1", "accepted"),
      { do: "stop" },
      advance(12_001),
      authorize("at 1", ["write"], stale),
      authorize("at 1", ["read"], "accepted"),
      advance(8_000),
      authorize("at 1", ["read"], stale),
    ],
    { max_staleness_seconds: { default: 12, read: 20 } },
  ),
  scene("what is known of a list is as old as the list was made, and not as it came", [
    serve(list("all valid, ten seconds earlier", { claims: later(-10) })),
    READY,
    verify("at 1", "accepted"),
    status({ staleness_seconds: 10, refusal: null }),
    { do: "stop" },
    advance(5_000),
    authorize("at 1", ["write"], "accepted"),
    advance(1),
    authorize("at 1", ["write"], outdated),
    authorize("at 1", ["read"], "accepted"),
    status({ staleness_seconds: 15.001, refusal: "STALE" }),
  ]),
  scene("a list that does not hold leaves the one before as it is", [
    serve(allValid),
    READY,
    verify("at 1", "accepted"),
    serve(`a list by another key of the same name`),
    advance(5_001),
    verify("at 1", "accepted"),
    status({ connected: false, last_error: "the signature of the status list does not hold" }),
  ]),
  scene("a machine that was suspended is out of date at once", [
    serve(allValid),
    READY,
    verify("at 1", "accepted"),
    { do: "suspend", ms: 16_000 },
    authorize("at 1", ["write"], stale),
    authorize("at 1", ["read"], "accepted"),
  ]),
  scene("a clock that is set back is found out", [
    serve(allValid),
    READY,
    verify("at 1", "accepted"),
    { do: "set_wall", ahead_ms: -5_000 },
    recheck("at 1", "accepted"),
    { do: "set_wall", ahead_ms: -1 },
    recheck("at 1", behind),
  ]),
  scene("a list that was made after now tells that the verifier's clock is behind", [
    serve(list("all valid, six seconds later", { claims: later(6) })),
    READY,
    verify("at 1", behind),
    status({ refusal: "CLOCK_SKEWED" }),
  ]),
  scene("what was verified is served no longer than its token lasts, for nobody tells of its end then", [
    serve(allValid),
    READY,
    verify("soon over", "accepted"),
    { do: "stop" },
    advance(9_999),
    recheck("soon over", "accepted"),
    authorize("soon over", ["read"], "accepted"),
    advance(1),
    recheck("soon over", expired),
    authorize("soon over", ["read"], expired),
  ]),
  ...[false, true].map((development) =>
    scene(
      `a development trust domain is ${development ? "accepted in development" : "refused"}`,
      [
        serve(allValid),
        READY,
        verify(
          "for development",
          development
            ? "accepted"
            : refused("KEY_UNKNOWN", "the subject is of a trust domain that is for development only"),
        ),
      ],
      { development, trust_domain: DEVELOPMENT },
    ),
  ),
  scene("a list that comes on is believed on", [
    serve(allValid),
    READY,
    verify("at 1", "accepted"),
    serve(allValidNext),
    advance(5_001),
    verify("at 1", "accepted"),
    status({ connected: true, refusal: null }),
  ]),
];

export const STATUS_LIST_VECTORS: StatusListVectors = {
  about: [
    "What every verifier that hears of revocations by status lists knows and refuses, whatever its language. Each scene is a script for a broker's public documents, a clock and a verifier; its acts are described in test/clients/status-list-vectors.ts.",
    "The clock starts at `now_ms` and moves only as the script says. The verifier asks the broker at an http URL on the same machine, and knows it by `issuer`.",
    "Written by test/clients/write-vectors.ts from test/clients/status-list-cases.ts; the private keys were kept nowhere.",
  ],
  now_ms: NOW * 1_000,
  audience: AUDIENCE,
  issuer: ISSUER,
  trust_domain: "example.org",
  list_path: LIST_PATH,
  served: { [BUNDLE_PATH]: bundleDocument(own), [KEYS_PATH]: eventKeysOf(events) },
  tokens,
  documents,
  scenes,
};
