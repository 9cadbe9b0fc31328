import type { LedgerAct } from "../../ports/ledger.ts";

/** By kind of act: whether doing it can take back what somebody holds. When in doubt it can; the feed then looks. */
const DENYING: {
  readonly [Name in LedgerAct["act"]]: boolean | ((act: Extract<LedgerAct, { readonly act: Name }>) => boolean);
} = {
  "open-step": (act) => act.supersedes,
  "hold-step": false,
  "renew-step": false,
  "record-issuances": false,
  "mark-undelivered": false,
  close: true,
  "revoke-credential": true,
  "record-decision": false,
  "put-entry": true,
  "retire-entry": true,
  "put-authorities": (act) => act.taints !== undefined,
  // Foreign keys are told with the bundles, and evidence is nothing that a verifier meets.
  "put-federation": false,
  "end-federation": false,
  "accept-bundle": false,
  "create-join-token": false,
  "revoke-join-tokens": false,
  "spend-join-token": false,
  "spend-evidence": false,
  "take-receipts": false,
  "record-operation": false,
  "start-epoch": true,
};

/** Whether a group of acts may have left something for the revocation feed. */
export function mayDeny(acts: readonly LedgerAct[]): boolean {
  return acts.some((act) => {
    const denies = DENYING[act.act] as boolean | ((act: LedgerAct) => boolean);
    return typeof denies === "boolean" ? denies : denies(act);
  });
}
