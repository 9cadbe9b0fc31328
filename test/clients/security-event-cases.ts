import { eventKeysOf } from "../sdk/verifier/scripted-issuer.ts";
import { base64url, ecSigner, forge, ISSUER, type Json, NOW, type Signer, signature } from "../verify/token-forge.ts";
import type { FeedOutcome } from "./feed-vectors.ts";
import type { EventAct, EventOutcome, SecurityEventVectors } from "./security-event-vectors.ts";

// The scenes of test/vectors/security-events.json, before their tokens are pinned: what an event denies, and which are none.

const events = ecSigner("events");
const RECEIVER = "spiffe://example.org/verifier/mcp";
const CAEP = "https://schemas.openid.net/secevent/caep/event-type";
const REVOKED = `${CAEP}/session-revoked`;
const CHANGED = `${CAEP}/credential-change`;
const VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const STEP_ID = "step_0190a5f2";
const JTI = "AYh5t0Zk3Ez8yB8n2mRkQw";
const ofStep = { format: "complex", session: { format: "opaque", id: STEP_ID } };
const ofToken = { format: "jwt_id", iss: ISSUER, jti: JTI };
/** The longest life of a token, and for how long after that its denial is kept. */
const REMEMBERED_MS = 3_610_000;

const tokens: Record<string, string> = {};

type Changes = {
  readonly claims?: Json;
  readonly header?: Json;
  readonly by?: Signer;
  readonly algorithm?: string;
  readonly said?: Json;
  readonly event?: string;
};

/** Puts an event token under a name. */
function event(name: string, sub_id: unknown, changes: Changes = {}): string {
  const { by = events, claims, header, algorithm = "ES256", said = {}, event: uri = REVOKED } = changes;
  const all = { iss: ISSUER, aud: RECEIVER, jti: "e1", iat: NOW, sub_id, events: { [uri]: said }, ...claims };
  const head = { alg: algorithm, kid: by.kid, typ: "secevent+jwt", ...header };
  tokens[name] = forge(JSON.stringify(head), JSON.stringify(all), signature(by, algorithm));
  return name;
}

const refused = (code: string, message: string, metadata: Readonly<Record<string, string>> = {}) => ({
  refused: code,
  message,
  metadata,
});
const malformed = (expected: string) => refused("TOKEN_MALFORMED", `not a security event: expected ${expected}`);
const invalid = (expected: string) => refused("CLAIMS_INVALID", `claims of the security event: expected ${expected}`);
const notWhole = invalid("jti, iat, sub_id and one event");
const notKnown = invalid("one that is known here");
const ended = refused("REVOKED", "the step has ended", { reason: "unspecified", state: "UNKNOWN" });
const revoked = refused("REVOKED", "the credential was revoked", { reason: "unspecified" });
const denial = (forget_after_ms = NOW * 1_000 + REMEMBERED_MS): EventOutcome => ({ told: "denial", forget_after_ms });

const take = (token: string, is: EventOutcome): EventAct => ({ do: "event", token, is });
const ask = (of: { step_id?: string; jti?: string; issuer?: string }, is: FeedOutcome): EventAct => ({
  do: "ask",
  ...{ step_id: STEP_ID, jti: JTI, issuer: ISSUER, ...of },
  is,
});
const scene = (name: string, script: readonly EventAct[]) => ({ name, script });

const endOfStep = event("the end of a step", ofStep);
const endOfToken = event("the end of a token", ofToken);

/** What is no event of this issuer for this receiver, or tells nothing that is known. */
const bad: readonly (readonly [string, EventOutcome, unknown, Changes?])[] = [
  [
    "by another key of the same name",
    refused("SIGNATURE_INVALID", "the signature of the security event does not hold"),
    ofStep,
    { by: ecSigner("events") },
  ],
  [
    "by a key that is not known",
    refused("KEY_UNKNOWN", "the security event is signed with a key that is none of its issuer"),
    ofStep,
    { by: ecSigner("more") },
  ],
  [
    "without the name of a key",
    malformed("the header parameter kid as a string"),
    ofStep,
    { header: { kid: undefined } },
  ],
  ["that is a token", malformed("typ secevent+jwt"), ofStep, { header: { typ: "JWT" } }],
  ["that is a status list", malformed("typ secevent+jwt"), ofStep, { header: { typ: "statuslist+jwt" } }],
  ["with a critical header parameter", malformed("no critical header parameters"), ofStep, { header: { crit: ["x"] } }],
  [
    "by no algorithm",
    refused("ALGORITHM_REFUSED", "the security event is not signed with ES256"),
    ofStep,
    { header: { alg: "none" } },
  ],
  [
    "by an algorithm that tokens may have",
    refused("ALGORITHM_REFUSED", "the security event is not signed with ES256"),
    ofStep,
    { algorithm: "ES384" },
  ],
  [
    "of another issuer",
    refused("ISSUER_MISMATCH", "the security event is of another issuer"),
    ofStep,
    { claims: { iss: "https://else.example" } },
  ],
  [
    "for another receiver",
    refused("AUDIENCE_MISMATCH", "the security event is for another receiver"),
    ofStep,
    { claims: { aud: "spiffe://example.org/verifier/else" } },
  ],
  [
    "for several receivers",
    refused("AUDIENCE_MISMATCH", "the security event is for another receiver"),
    ofStep,
    { claims: { aud: [RECEIVER] } },
  ],
  ["without a jti", notWhole, ofStep, { claims: { jti: undefined } }],
  ["with an empty jti", notWhole, ofStep, { claims: { jti: "" } }],
  ["without a time", notWhole, ofStep, { claims: { iat: undefined } }],
  ["of a time in words", notWhole, ofStep, { claims: { iat: String(NOW) } }],
  ["without a subject", notWhole, undefined],
  ["without events", notWhole, ofStep, { claims: { events: undefined } }],
  ["of no event", notWhole, ofStep, { claims: { events: {} } }],
  ["of two events", notWhole, ofStep, { claims: { events: { [REVOKED]: {}, [CHANGED]: {} } } }],
  ["of an event in words", notWhole, ofStep, { claims: { events: { [REVOKED]: "x" } } }],
  ["of a kind that is not known", notKnown, ofStep, { event: "https://else.example/event" }],
  ["about a person", notKnown, { format: "email", email: "a@example.org" }],
  ["about a session that is no opaque one", notKnown, { format: "complex", session: { format: "email", id: STEP_ID } }],
  ["about a session that is an array", notKnown, { format: "complex", session: [] }],
  ["about a session without a name", notKnown, { format: "complex", session: { format: "opaque" } }],
  ["about a token without a jti", notKnown, { format: "jwt_id", iss: ISSUER }],
  ["about an issuer in numbers", notKnown, { format: "jwt_id", iss: 1, jti: JTI }],
  ["about a step outright", notKnown, { format: "opaque", id: STEP_ID }],
];

/** A token whose payload is this text, under a name. */
function twisted(name: string, change: (payload: string) => string): string {
  const [head = "", payload = "", signed = ""] = (tokens[endOfStep] ?? "").split(".");
  tokens[name] = `${head}.${base64url(change(Buffer.from(payload, "base64url").toString()))}.${signed}`;
  return name;
}

const scenes = [
  scene("the end of a step denies all its tokens, and those of no other", [
    ask({}, "accepted"),
    take(endOfStep, denial()),
    ask({}, ended),
    ask({ jti: "another" }, ended),
    ask({ step_id: "step_else", jti: "another" }, "accepted"),
  ]),
  scene("the end of a token denies it alone, and that of its issuer", [
    take(endOfToken, denial()),
    ask({}, revoked),
    ask({ step_id: "step_else" }, revoked),
    ask({ jti: "another" }, "accepted"),
    ask({ issuer: "https://else.example" }, "accepted"),
  ]),
  scene("what is sent again changes nothing", [
    take(endOfStep, denial()),
    take(endOfStep, denial()),
    take(endOfToken, denial()),
    ask({}, ended),
    { do: "forget", at_ms: NOW * 1_000 + REMEMBERED_MS - 1 },
    ask({}, ended),
    { do: "forget", at_ms: NOW * 1_000 + REMEMBERED_MS },
    ask({}, "accepted"),
  ]),
  scene("what another event says under the same jti is taken in too", [
    take(endOfStep, denial()),
    take(
      event("another step under the same jti", { format: "complex", session: { format: "opaque", id: "step_else" } }),
      denial(),
    ),
    ask({}, ended),
    ask({ step_id: "step_else", jti: "another" }, ended),
  ]),
  scene("an end that is told of late is remembered from now on", [
    take(event("the end of a step, a day ago", ofStep, { claims: { iat: NOW - 86_400 } }), denial()),
    ask({}, ended),
  ]),
  scene("an end by a clock that is ahead is remembered by that clock", [
    take(
      event("the end of a step in a minute", ofStep, { claims: { iat: NOW + 60 } }),
      denial((NOW + 60) * 1_000 + REMEMBERED_MS),
    ),
    ask({}, ended),
  ]),
  scene("what is said beside is passed over", [
    take(
      event(
        "the end of a step, with more",
        { ...ofStep, tenant: { format: "opaque", id: "x" } },
        {
          header: { cty: "x" },
          claims: { txn: "x", exp: NOW - 1 },
          said: { event_timestamp: NOW, reason_admin: { en: "the work has ended" } },
        },
      ),
      denial(),
    ),
    ask({}, ended),
  ]),
  scene("a certificate's end denies no token", [
    take(
      event(
        "the end of a certificate",
        { format: "opaque", id: "0a" },
        { event: CHANGED, said: { change_type: "revoke" } },
      ),
      { told: "certificate" },
    ),
    ask({}, "accepted"),
  ]),
  scene("that the stream works is told with the text that was asked for", [
    take(event("a verification", { format: "opaque", id: "s1" }, { event: VERIFICATION, said: { state: "asked" } }), {
      told: "verification",
      state: "asked",
    }),
    take(event("a verification without a text", { format: "opaque", id: "s1" }, { event: VERIFICATION }), {
      told: "verification",
      state: null,
    }),
    ask({}, "accepted"),
  ]),
  ...bad.map(([what, is, subject, changes]) =>
    scene(`an event ${what} tells nothing`, [
      take(event(`an event ${what}`, subject, changes), is),
      ask({}, "accepted"),
    ]),
  ),
  scene("an event whose members occur twice tells nothing", [
    take(
      twisted("an event with two jti", (payload) => payload.replace('"jti":"e1"', '"jti":"e1","jti":"e1"')),
      malformed("a JSON object without repeated members as its claims"),
    ),
  ]),
  scene("an event that was changed tells nothing", [
    take(
      twisted("an event about another step", (payload) => payload.replace(STEP_ID, "step_else")),
      refused("SIGNATURE_INVALID", "the signature of the security event does not hold"),
    ),
    ask({ step_id: "step_else" }, "accepted"),
  ]),
];

export const SECURITY_EVENT_VECTORS: SecurityEventVectors = {
  about: [
    "What every verifier that hears of revocations by security events takes from them, whatever its language. Each scene is a script for a deny-list; its acts are described in test/clients/security-event-vectors.ts.",
    "It is `now_ms` when an event comes, and the deny-list is empty at the beginning of each scene.",
    "Written by test/clients/write-vectors.ts from test/clients/security-event-cases.ts; the private keys were kept nowhere.",
  ],
  now_ms: NOW * 1_000,
  issuer: ISSUER,
  audience: RECEIVER,
  keys: JSON.parse(eventKeysOf(events)),
  tokens,
  scenes,
};
