import { canonicalText } from "./canonical-json.ts";
import type { Closure } from "./closure.ts";
import type { Step } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";

/** The first line of what the broker signs of a closure: no checkpoint, and no receipt of a verifier, begins so. */
export const CLOSURE_RECEIPT_HEADER = "stint-closure/v1";

/** A credential that a close took back. */
export type ClosedCredential = {
  readonly kind: string;
  readonly stepId: string;
  readonly jti?: string;
  readonly serialNumber?: string;
  readonly audiences: readonly string[];
  readonly expiresAt: UnixSeconds;
};

/** What the broker states of the closure of a step. Instants in microseconds, expiries in seconds since 1970. */
export type ClosureReceipt = {
  readonly step: Pick<Step, "stepId" | "runId" | "step" | "attempt" | "agent" | "state" | "spiffeId">;
  /** Of the ledger's event, which may be the close of a step above. */
  readonly closedSequence: number;
  readonly closedAt: UnixMicros;
  readonly reason: string;
  readonly statedAt: UnixMicros;
  readonly closure: Closure & { readonly reachedAt?: UnixMicros };
  /** Steps that the same event closed. The list may end before the count. */
  readonly stepsClosed: number;
  readonly steps: readonly { readonly stepId: string; readonly state: string }[];
  /** What had not expired by then, and was not taken back before. The list may end before the count. */
  readonly credentialsRevoked: number;
  readonly credentials: readonly ClosedCredential[];
  /** C2SP tlog-proof of the event of the close. */
  readonly proof: string;
};

/** The text that is signed: two lines, of which the second is canonical JSON. */
export function closureReceiptText(receipt: ClosureReceipt): string {
  return `${CLOSURE_RECEIPT_HEADER}\n${canonicalText(receipt)}\n`;
}

/** Reads such a text, of which a signature says who wrote it; `undefined` for anything else. */
export function parseClosureReceiptText(text: string): ClosureReceipt | undefined {
  const [header, json, ...rest] = text.split("\n");
  if (header !== CLOSURE_RECEIPT_HEADER || json === undefined || rest.length !== 1 || rest[0] !== "") return undefined;
  try {
    const receipt = JSON.parse(json) as ClosureReceipt;
    return canonicalText(receipt) === json && typeof receipt.proof === "string" ? receipt : undefined;
  } catch {
    return undefined;
  }
}
