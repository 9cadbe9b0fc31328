import { type SpiffeId, spiffeIdAt, type TrustDomain } from "./spiffe-id.ts";

/** What a delegation token lets one runtime do: open so many children under the token's step, and nothing else. */
export type Delegation = {
  /** Of the receiving runtime; a later entry of the same name is another runtime. */
  readonly runtimeEntryId: string;
  /** SPIFFE ID of the receiving runtime, as the token names it. */
  readonly mayAct: SpiffeId;
  readonly usesMax: number;
};

const PATH = "/stint/server";

/** The only audience of a delegation token: the broker itself. */
export function brokerAudience(trustDomain: TrustDomain): SpiffeId {
  return spiffeIdAt(trustDomain, PATH);
}

/** Whether an audience is a broker's, of any trust domain; nobody else may answer for it. */
export function isBrokerAudience(audience: string): boolean {
  return audience.startsWith("spiffe://") && audience.endsWith(PATH) && audience.split("/").length === 5;
}
