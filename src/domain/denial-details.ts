import { BrokerError, type ErrorCode, type ErrorMetadata } from "./errors.ts";
import type { GrantElement } from "./grant.ts";

/** Who refused an element: each of these is asked only about what the ones before it permit. */
export const DENIAL_LAYERS = ["ceiling", "parent", "policy"] as const;
export type DenialLayer = (typeof DENIAL_LAYERS)[number];

export type RefusedElement = { readonly element: GrantElement; readonly layer: DenialLayer };

/** What a caller is told of a refusal beside its reason: enough to ask for something else, and nothing of the policies. */
export type DenialDetails = {
  /** By which an operator finds out more. */
  readonly decisionId: string;
  /** In the order of the request. */
  readonly refused: readonly RefusedElement[];
  /** Elements that were refused as well, and did not fit. */
  readonly refusedOmitted: number;
  /** The step as a whole may not be opened, whatever it asks for. */
  readonly refusesWhole: boolean;
  /** The role that may approve the request; absent where approving can't help. */
  readonly approval?: string;
};

/** A refusal that a recorded decision stands behind. */
export class DeniedError extends BrokerError {
  readonly denial: DenialDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly denial: DenialDetails; readonly metadata?: ErrorMetadata },
  ) {
    const { denial, metadata } = options;
    const { decisionId, approval } = denial;
    // Beside the details, for a client that does not know them.
    const hints = { decision_id: decisionId, ...(approval === undefined ? {} : { approval }) };
    super(code, message, { metadata: { ...hints, ...metadata } });
    this.denial = denial;
  }
}
