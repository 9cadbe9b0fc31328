import { expect, test } from "vitest";
import { parseBundleJson, tokenKeysIn } from "../../src/domain/bundle.ts";
import { feedMessageClaims } from "../../src/domain/feed-message.ts";
import { verifyFeedMessage } from "../../src/verify/feed-message-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import { codeOf } from "./code-of.ts";
import { ecSigner, forge, ISSUER, type Json, rsaSigner, type Signer, signature } from "./token-forge.ts";

const events = ecSigner("events");
const rsa = rsaSigner("rsa");
const jwks = [events, rsa].map(({ kid, publicKey }) => ({ use: "sig", kid, ...publicKey.export({ format: "jwk" }) }));
const keys = verificationKeysOf(
  tokenKeysIn(parseBundleJson(JSON.stringify({ keys: jwks }), "events"), "sig", "events"),
);
const OPTIONS = { keys, issuer: ISSUER };
const COMMON = { issuer: ISSUER, epoch: "e1", atMs: 1_800_000_000_123, through: 9 };
const HEARTBEAT = { ...COMMON, kind: "heartbeat", keys: "k" } as const;

type Changes = {
  readonly of?: Json;
  readonly claims?: Json;
  readonly header?: Json;
  readonly by?: Signer;
  readonly algorithm?: string;
};

function message({ of = feedMessageClaims(HEARTBEAT), claims, header, by = events, algorithm = "ES256" }: Changes) {
  const head = { alg: algorithm, kid: by.kid, typ: "stint-feed+jwt", ...header };
  return forge(JSON.stringify(head), JSON.stringify({ ...of, ...claims }), signature(by, algorithm));
}

const DENIED = { ...COMMON, kind: "denied", from: 4, denials: Uint8Array.of(1, 2) } as const;
const SNAPSHOT = { ...COMMON, kind: "snapshot", part: 1, parts: 2, denials: Uint8Array.of() } as const;

test.for([HEARTBEAT, DENIED, SNAPSHOT])("a $kind says what it was made of", (facts) => {
  const { issuer: _, ...said } = facts;
  expect(verifyFeedMessage(message({ of: feedMessageClaims(facts) }), OPTIONS)).toEqual(said);
});

test.for<Changes & { readonly what: string; readonly code: string }>([
  { what: "signed by another's key of the same name", by: ecSigner("events"), code: "SIGNATURE_INVALID" },
  { what: "signed by a key that is not known", by: ecSigner("unknown"), code: "KEY_UNKNOWN" },
  { what: "of another algorithm", by: rsa, algorithm: "RS256", code: "ALGORITHM_REFUSED" },
  { what: "that is a token of another kind", header: { typ: "secevent+jwt" }, code: "TOKEN_MALFORMED" },
  { what: "with a critical parameter", header: { crit: ["exp"] }, code: "TOKEN_MALFORMED" },
  { what: "of another issuer", claims: { iss: "https://stint.example.com" }, code: "ISSUER_MISMATCH" },
  { what: "without an epoch", claims: { epoch: "" }, code: "CLAIMS_INVALID" },
  { what: "without a time", claims: { at_ms: undefined }, code: "CLAIMS_INVALID" },
  { what: "of a sequence in a text", claims: { through: "9" }, code: "CLAIMS_INVALID" },
  { what: "of a kind that there is not", claims: { kind: "other" }, code: "CLAIMS_INVALID" },
  { what: "that says nothing of keys", claims: { keys: undefined }, code: "CLAIMS_INVALID" },
  { what: "that does not say from where", of: feedMessageClaims(DENIED), claims: { from: -1 }, code: "CLAIMS_INVALID" },
  {
    what: "whose denials are padded",
    of: feedMessageClaims(DENIED),
    claims: { denials: "AA==" },
    code: "CLAIMS_INVALID",
  },
  { what: "of a part that there is not", of: feedMessageClaims(SNAPSHOT), claims: { part: 3 }, code: "CLAIMS_INVALID" },
])("a message $what is refused as $code", ({ what: _, code, ...changes }) => {
  expect(codeOf(() => verifyFeedMessage(message(changes), OPTIONS))).toBe(code);
});
