import { BrokerError, type ErrorCode, type ErrorMetadata } from "../../domain/errors.ts";
import type { PolicySet } from "../../domain/policy-set.ts";
import type { PolicyAnswer, PolicyFinding, PolicyRequest } from "../../ports/policy-engine.ts";
import type { LookedAt } from "./remembered.ts";

/*
 * What crosses between the event loop and the engine's thread. Questions and answers travel as JSON text: the text costs less
 * than the structured clone of as many small objects.
 */

export type CedarData = { readonly schema: string };

export type ToCedar =
  | { readonly kind: "check"; readonly id: number; readonly set: PolicySet }
  | { readonly kind: "load"; readonly id: number; readonly root: string; readonly set: PolicySet }
  | { readonly kind: "unload"; readonly root: string }
  /** `asked`: `Asked[]`. */
  | { readonly kind: "evaluate"; readonly asked: string };

export type FromCedar =
  | { readonly kind: "checked"; readonly id: number; readonly findings: readonly PolicyFinding[] }
  /** `answers`: `Answer[]`, in the order of what was asked. */
  | { readonly kind: "answers"; readonly answers: string }
  | { readonly kind: "failed"; readonly id: number; readonly error: WireError };

export type Asked = { readonly root: string; readonly request: PolicyRequest };
export type Answer = { readonly answer: PolicyAnswer; readonly lookedAt: LookedAt } | { readonly error: WireError };

type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata: ErrorMetadata;
  readonly detail?: string;
};

/** What was thrown as a value; of an error that is no BrokerError nothing is shown. */
export function encodeError(thrown: unknown): WireError {
  if (thrown instanceof BrokerError) {
    const { code, message, metadata, detail } = thrown;
    return { code, message, metadata, ...(detail !== undefined && { detail }) };
  }
  return { code: "NOT_SERVING", message: "the policies could not be asked", metadata: {}, detail: String(thrown) };
}

export function decodeError({ code, message, metadata, detail }: WireError): BrokerError {
  return new BrokerError(code, message, { metadata, ...(detail !== undefined && { detail }) });
}
