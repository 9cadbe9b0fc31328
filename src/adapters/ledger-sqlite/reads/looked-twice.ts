import type { CredentialReads } from "../../../ports/credential-reads.ts";
import type { StepReads } from "../../../ports/ledger-reads.ts";

/**
 * Reads of tables that follow a shared log: what they do not have may have been recorded by another broker a moment ago, and is looked for
 * again once all of the log is known. So no broker says of what there is that it is not.
 *
 * @param confirmed - resolves once all that was recorded before is known; its refusal is the answer where that can't be.
 */
export function lookedTwice<
  Credentials extends Pick<CredentialReads, "issuance">,
  Steps extends Pick<StepReads, "step">,
>(
  { credentials, steps }: { readonly credentials: Credentials; readonly steps: Steps },
  confirmed: () => Promise<void>,
): { readonly credentials: Credentials; readonly steps: Steps } {
  async function twice<Found>(look: () => Promise<Found | undefined>): Promise<Found | undefined> {
    const found = await look();
    if (found !== undefined) return found;
    await confirmed();
    return look();
  }
  return {
    credentials: { ...credentials, issuance: (name) => twice(() => credentials.issuance(name)) },
    steps: { ...steps, step: (stepId) => twice(() => steps.step(stepId)) },
  };
}
