import { createHash, randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import {
  createVerifier,
  type PresentedRequest,
  type ProofOptions,
  type RequestOptions,
  VerificationError,
  type Verifier,
} from "../../../src/sdk/verifier/index.ts";
import {
  dpopProof,
  type Holder,
  hashOf,
  METHOD,
  newHolder,
  txnToken,
  URL_OF_REQUEST,
  witSvid,
  workloadProof,
} from "../../verify/proof-forge.ts";
import {
  AUDIENCE,
  bundleDocumentOf,
  ecSigner,
  ISSUER,
  type Json,
  mint,
  NOW,
  SUBJECT,
  txnTokenKeysOf,
} from "../../verify/token-forge.ts";
import { bundle, type DenialInit, denied, deniedStep, pong, snapshot } from "./feed-responses.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { scriptedBroker, type Watch } from "./scripted-broker.ts";

// What requests bring, and a verifier on a scripted feed that judges them.

export const own = ecSigner("own");
export const ownWit = ecSigner("own-wit");
export const ownTxn = ecSigner("own-txn");
/** Of a trust domain with workloads that are no steps, as SPIRE's are. */
export const foreignWit = ecSigner("foreign-wit");
export const holder = await newHolder();
export const thief = await newHolder();
export const CERTIFICATE = randomBytes(300);
const X5T = createHash("sha256").update(CERTIFICATE).digest("base64url");

export type Scene = { readonly verifier: Verifier; readonly watch: Watch; readonly clock: ManualClock };

export async function ready(proofs: ProofOptions = {}): Promise<Scene> {
  const broker = await scriptedBroker();
  const clock = manualClock(NOW * 1_000);
  const verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock, proofs });
  onTestFinished(() => verifier.close());
  const watch = await broker.nextWatch();
  const document = bundleDocumentOf({ "jwt-svid": [own], "wit-svid": [ownWit] });
  const foreign = bundleDocumentOf({ "wit-svid": [foreignWit] });
  watch.send(
    snapshot([], "c1"),
    bundle(document, { issuer: ISSUER, txnTokenJwks: txnTokenKeysOf(ownTxn) }),
    // Whatever a foreign trust domain is said to have, its transaction tokens are not for here.
    bundle(foreign, {
      trustDomain: "spiffe://foreign.example",
      federated: true,
      txnTokenJwks: txnTokenKeysOf(foreignWit),
    }),
  );
  const { nonce } = await watch.next("ping");
  watch.send(pong(nonce, clock.wallMs()));
  await verifier.ready();
  return { verifier, watch, clock };
}

export function endStep(watch: Watch): Promise<void> {
  return deny(watch, deniedStep("step_other_name", SUBJECT));
}

export async function deny(watch: Watch, denial: DenialInit): Promise<void> {
  watch.send(denied([denial], "c9"));
  while (Buffer.from((await watch.next("acknowledge")).cursor).toString() !== "c9");
}

export function requestOf(
  headers: Record<string, string | string[]>,
  more: Partial<PresentedRequest> = {},
): PresentedRequest {
  return { method: METHOD, url: URL_OF_REQUEST, headers, ...more };
}

/** What a request came to: how it was proved, or why it was refused. */
export function outcomeOf({ verifier }: Scene, request: PresentedRequest, options?: RequestOptions): string {
  try {
    const { kind, proof } = verifier.verifyRequest(request, options);
    return `${kind} ${proof}`;
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    const { credential } = thrown.metadata;
    return credential === undefined ? thrown.code : `${thrown.code} of ${credential}`;
  }
}

export const bound = (to: Json, claims: Json = {}) => mint(own, { claims: { cnf: to, ...claims } });
export const bearer = mint(own);
export const toKey = bound({ jkt: holder.jkt });
export const toCertificate = bound({ "x5t#S256": X5T });

export async function dpop(token = toKey, by: Holder = holder, changes: Parameters<typeof dpopProof>[2] = {}) {
  return { authorization: `DPoP ${token}`, dpop: await dpopProof(by, token, changes) };
}

export async function wit(changes: { readonly claims?: Json; readonly wpt?: Json; readonly by?: Holder } = {}) {
  const token = witSvid(ownWit, holder, { claims: changes.claims ?? {} });
  const proof = await workloadProof(changes.by ?? holder, token, { claims: changes.wpt ?? {} });
  return { authorization: `WPT ${proof}`, "workload-identity-token": token };
}

/** A WIT-SVID, a transaction token, and a proof of both. */
export async function txn(token = txnToken(ownTxn), changes: Parameters<typeof wit>[0] = {}) {
  return { "txn-token": token, ...(await wit({ ...changes, wpt: { tth: hashOf(token), ...changes.wpt } })) };
}
