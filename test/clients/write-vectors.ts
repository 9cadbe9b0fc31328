// Writes test/vectors/jwt-svid.json, feed.json, status-list.json and security-events.json, or those that are named:
// `node test/clients/write-vectors.ts feed.json`, once for each change of the cases. The keys are new each time and kept nowhere, so that
// nothing in this checkout can sign what the file's keys verify.
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { AUDIENCE, ISSUER, NOW, type Signer } from "../verify/token-forge.ts";
import { FEED_VECTORS } from "./feed-cases.ts";
import { FEED_FILE } from "./feed-vectors.ts";
import { DRAFTS, SIGNERS } from "./jwt-svid-cases.ts";
import { bundlesOf, JWT_SVID_FILE, type JwtSvidVectors, outcomeOf } from "./jwt-svid-vectors.ts";
import { SECURITY_EVENT_VECTORS } from "./security-event-cases.ts";
import { SECURITY_EVENTS_FILE } from "./security-event-vectors.ts";
import { STATUS_LIST_VECTORS } from "./status-list-cases.ts";
import { STATUS_LIST_FILE } from "./status-list-vectors.ts";

const keyOf = ({ kid, publicKey }: Signer, more: object = {}) => ({
  use: "jwt-svid",
  kid,
  ...publicKey.export({ format: "jwk" }),
  ...more,
});
const { own, p384, p521, rsa, weak, lowExponent, koblitz, narrowed, foreign, twin, development } = SIGNERS;
const ownKeys = [
  ...[own, p384, p521, rsa, weak, lowExponent, koblitz].map((signer) => keyOf(signer)),
  keyOf(narrowed, { alg: "PS256" }),
];
const documentOf = (keys: readonly object[]) => ({ keys, spiffe_sequence: 1, spiffe_refresh_hint: 300 });

const frame: Omit<JwtSvidVectors, "cases"> = {
  about: [
    "What every verifier makes of a JWT-SVID, whatever its language: each case is a token and either what is verified or the refusal's code, message and metadata.",
    "`settings` holds for all cases but where a case has its own. `now` is in Unix seconds. In `verified` what is absent is left out.",
    "Written by test/clients/write-vectors.ts from test/clients/jwt-svid-cases.ts; the private keys were kept nowhere.",
  ],
  settings: { audiences: [AUDIENCE], now: NOW },
  bundles: [
    { trust_domain: "example.org", issuer: ISSUER, document: documentOf(ownKeys) },
    {
      trust_domain: "other.example",
      issuer: "https://stint.other.example",
      document: documentOf([foreign, twin].map((signer) => keyOf(signer))),
    },
    { trust_domain: "dev.example", development: true, document: documentOf([keyOf(development)]) },
  ],
};
const scene = { settings: frame.settings, bundles: bundlesOf(frame) };

const cases = DRAFTS.map(({ name, token, settings, is }) => {
  const expected = outcomeOf(scene, { token, settings });
  const was = "refused" in expected ? expected.refused : "accepted";
  if (was !== is) throw new Error(`${name}: ${was}, and should be ${is}`);
  return { name, token, settings, expected };
});
const names = new Set(cases.map(({ name }) => name));
if (names.size !== cases.length) throw new Error("two cases have one name");
const all: readonly (readonly [URL, object])[] = [
  [JWT_SVID_FILE, { ...frame, cases }],
  [FEED_FILE, FEED_VECTORS],
  [STATUS_LIST_FILE, STATUS_LIST_VECTORS],
  [SECURITY_EVENTS_FILE, SECURITY_EVENT_VECTORS],
];
const named = process.argv.slice(2);
for (const [file, vectors] of all) {
  if (named.length > 0 && !named.includes(basename(file.pathname))) continue;
  writeFileSync(file, `${JSON.stringify(vectors, undefined, 1)}\n`);
}
