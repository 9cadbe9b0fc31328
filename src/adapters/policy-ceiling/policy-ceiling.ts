import { createHash } from "node:crypto";
import type { ElementAnswer, Policy } from "../../ports/policy.ts";

const DIGEST = createHash("sha256").update("ceiling").digest("hex");
const ALLOWED: ElementAnswer = { effect: "allow", policies: [] };

/**
 * The policy of a broker without a run-time policy engine: what an entry's ceiling permits is permitted. There is
 * always a ceiling, so no request is left undecided.
 */
export function createCeilingPolicy(): Policy {
  return {
    evaluate: async ({ requested }) => ({ elements: requested.map(() => ALLOWED), policyDigest: DIGEST }),
  };
}
