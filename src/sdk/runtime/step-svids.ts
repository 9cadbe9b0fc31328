import type { KeyObject } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Grant } from "../../domain/grant.ts";
import type {
  JwtSvid as JwtSvidMessage,
  TxnToken as TxnTokenMessage,
  WitSvid as WitSvidMessage,
  X509Svid as X509SvidMessage,
} from "../../gen/stint/v1/credentials_pb.js";
import { grantMessageOf } from "../../wire/grant-message.ts";
import { type BoundTo, confirmationMessageOf, schemeOf } from "./binding.ts";
import { askBroker, type Broker } from "./broker.ts";
import { certificateRequestOf, generateKey } from "./certificate-request.ts";
import { publicJwkOf } from "./jws.ts";
import { createJwtSvid, type JwtSvid } from "./jwt-svid.ts";
import { StintError } from "./stint-error.ts";
import { createSvidCache } from "./svid-cache.ts";
import { createTxnToken, type TxnToken } from "./txn-token.ts";
import { createWitSvid, type WitSvid } from "./wit-svid.ts";
import { createX509Svid, type X509Svid } from "./x509-svid.ts";

/** The credentials of one step: each minted when first asked for, and anew before it runs out. */
export type StepSvids = {
  jwtSvid(audience: string, wanted?: JwtSvidWanted): Promise<JwtSvid>;
  /** The bearer token that follows another one, before that one is used up. A single attempt. */
  jwtSvidAfter(old: JwtSvid): Promise<JwtSvid>;
  x509Svid(): Promise<X509Svid>;
  /** @param rejected - not this one. */
  witSvid(rejected?: WitSvid | undefined): Promise<WitSvid>;
  txnToken(location: string, wanted?: TxnTokenWanted): Promise<TxnToken>;
  keepJwtSvid(svid: JwtSvid, boundTo?: BoundTo): void;
  keepX509Svid(svid: X509Svid): void;
  /** Lets go of all. */
  clear(): void;
};

export type JwtSvidWanted = {
  readonly grant?: Grant | undefined;
  readonly boundTo?: BoundTo | undefined;
  /** Not this one. */
  readonly rejected?: JwtSvid | undefined;
};

export type TxnTokenWanted = {
  readonly grant?: Grant | undefined;
  /** Not this one. */
  readonly rejected?: TxnToken | undefined;
};

/** The key of what a step has one of. */
const ONLY = "";

/** @param options.signal - ends what is under way. */
export function createStepSvids(options: {
  readonly broker: Broker;
  readonly stepId: string;
  readonly signal: AbortSignal;
}): StepSvids {
  const { broker, stepId, signal } = options;
  const terms = {
    now: () => Date.now(),
    isPassing: (thrown: unknown) =>
      thrown instanceof StintError && (thrown.retryable || thrown.reason === "STEP_EXPIRING"),
  };
  const jwtSvids = createSvidCache<JwtSvid>(terms);
  const x509Svids = createSvidCache<X509Svid>(terms);
  const witSvids = createSvidCache<WitSvid>(terms);
  const txnTokens = createSvidCache<TxnToken>(terms);

  async function mintJwtSvid(audience: string, { grant, boundTo }: JwtSvidWanted, once: boolean): Promise<JwtSvid> {
    const wanted = {
      audiences: [audience],
      ...(grant !== undefined && { grant: grantMessageOf(grant) }),
      ...(boundTo !== undefined && { cnf: confirmationMessageOf(boundTo) }),
    };
    const ask = askBroker((call) => broker.credentials.issueJwtSvid({ stepId, wanted }, call), { signal, once });
    return jwtSvidOf((await ask).svid, audience, boundTo);
  }

  async function mintX509Svid(once: boolean): Promise<X509Svid> {
    const keys = await generateKey();
    const request = { stepId, csr: certificateRequestOf(keys) };
    const ask = askBroker((call) => broker.credentials.issueX509Svid(request, call), { signal, once });
    return x509SvidOf((await ask).svid, keys.privateKey);
  }

  async function mintWitSvid(once: boolean): Promise<WitSvid> {
    const keys = await generateKey();
    const request = { stepId, jwk: JSON.stringify({ ...publicJwkOf(keys.publicKey), alg: "ES256" }) };
    const ask = askBroker((call) => broker.credentials.issueWitSvid(request, call), { signal, once });
    return witSvidOf((await ask).svid, keys.privateKey);
  }

  async function mintTxnToken(location: string, grant: Grant | undefined, once: boolean): Promise<TxnToken> {
    const request = { stepId, location, ...(grant !== undefined && { grant: grantMessageOf(grant) }) };
    const ask = askBroker((call) => broker.credentials.issueTxnToken(request, call), { signal, once });
    return txnTokenOf((await ask).token, location);
  }

  return {
    async jwtSvid(audience, wanted = {}) {
      signal.throwIfAborted();
      const mint = (urgency: "needed" | "spare") => mintJwtSvid(audience, wanted, urgency === "spare");
      return jwtSvids.get(keyOf(audience, wanted), mint, wanted.rejected);
    },
    async jwtSvidAfter(old) {
      signal.throwIfAborted();
      const { audience } = old;
      return jwtSvids.after(old, keyOf(audience, {}), () => mintJwtSvid(audience, {}, true));
    },
    async x509Svid() {
      signal.throwIfAborted();
      return x509Svids.get(ONLY, (urgency) => mintX509Svid(urgency === "spare"));
    },
    async witSvid(rejected) {
      signal.throwIfAborted();
      return witSvids.get(ONLY, (urgency) => mintWitSvid(urgency === "spare"), rejected);
    },
    async txnToken(location, { grant, rejected } = {}) {
      signal.throwIfAborted();
      const mint = (urgency: "needed" | "spare") => mintTxnToken(location, grant, urgency === "spare");
      return txnTokens.get(keyOf(location, { grant }), mint, rejected);
    },
    keepJwtSvid: (svid, boundTo) => jwtSvids.put(keyOf(svid.audience, { boundTo }), svid),
    keepX509Svid: (svid) => x509Svids.put(ONLY, svid),
    clear() {
      jwtSvids.clear();
      x509Svids.clear();
      witSvids.clear();
      txnTokens.clear();
    },
  };
}

/** Grants that are written differently are minted for apart: a cache that thought them equal could only be wrong. */
function keyOf(audience: string, { grant, boundTo }: JwtSvidWanted): string {
  return JSON.stringify([audience, grant === undefined ? null : grantMessageOf(grant), bindingOf(boundTo)]);
}

/** Names what a token is bound to: an X.509-SVID by its issuance, since the one that follows it has another key. */
function bindingOf(boundTo: BoundTo | undefined): string {
  if (boundTo === undefined) return "";
  return "thumbprint" in boundTo ? boundTo.thumbprint : boundTo.issuanceId;
}

/** @throws StintError BROKER_FAILED when there is none */
export function jwtSvidOf(message: JwtSvidMessage | undefined, audience: string, boundTo?: BoundTo): JwtSvid {
  if (message?.expiresAt === undefined) throw new StintError("BROKER_FAILED", "the broker's answer holds no JWT-SVID");
  const { issuanceId, spiffeId, svid, expiresAt } = message;
  const scheme = schemeOf(boundTo);
  return createJwtSvid({ issuanceId, spiffeId, audience, expiresAt: timestampDate(expiresAt), svid, scheme });
}

/** @throws StintError BROKER_FAILED when there is none */
export function x509SvidOf(message: X509SvidMessage | undefined, privateKey: KeyObject): X509Svid {
  if (message?.expiresAt === undefined)
    throw new StintError("BROKER_FAILED", "the broker's answer holds no X.509-SVID");
  const { issuanceId, spiffeId, x509Svid: certificates, bundle, expiresAt } = message;
  return createX509Svid({
    issuanceId,
    spiffeId,
    expiresAt: timestampDate(expiresAt),
    certificates,
    bundle,
    privateKey,
  });
}

/** @throws StintError BROKER_FAILED when there is none */
function txnTokenOf(message: TxnTokenMessage | undefined, location: string): TxnToken {
  if (message?.expiresAt === undefined) {
    throw new StintError("BROKER_FAILED", "the broker's answer holds no transaction token");
  }
  const { issuanceId, spiffeId, token, expiresAt } = message;
  return createTxnToken({ issuanceId, spiffeId, location, expiresAt: timestampDate(expiresAt), token });
}

/** @throws StintError BROKER_FAILED when there is none */
function witSvidOf(message: WitSvidMessage | undefined, privateKey: KeyObject): WitSvid {
  if (message?.expiresAt === undefined) throw new StintError("BROKER_FAILED", "the broker's answer holds no WIT-SVID");
  const { issuanceId, spiffeId, svid, expiresAt } = message;
  return createWitSvid({ issuanceId, spiffeId, expiresAt: timestampDate(expiresAt), svid, privateKey });
}
