import type { Authorities } from "../authority/authorities.ts";
import { SIGNING_FAMILIES } from "../authority/lifecycle.ts";
import type { Suspensions } from "../authority/suspensions.ts";
import type { Reassessment } from "../close/reassess.ts";
import type { OpenedLedger } from "../ports/ledger.ts";
import type { Ending } from "./certificate-endings.ts";

/** One thing that keeps the broker from doing all that it is for. */
export type Condition = {
  readonly kind: "suspension" | "ledger" | "follower" | "authority" | "judging";
  /** The same for as long as the condition lasts, while `why` may name a number that changes. */
  readonly key: string;
  /** In words for the operator. */
  readonly why: string;
};

export type Readiness = {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** What wants to be mended and keeps nothing from being issued. */
  readonly warnings: readonly string[];
  readonly conditions: readonly Condition[];
};

/** Whether everything can be issued, and if not, every reason why. */
export function readinessOf(of: {
  readonly suspensions: Pick<Suspensions, "conditions">;
  readonly store: Pick<OpenedLedger, "health" | "ledger">;
  readonly authorities: Pick<Authorities, "following" | "active" | "troubles">;
  readonly reassessment: Pick<Reassessment, "behind">;
  readonly endings: readonly Ending[];
  /** Of what else wants to be mended, if so. */
  readonly otherWarnings: readonly (string | undefined)[];
}): Readiness {
  const conditions: Condition[] = [
    ...of.suspensions.conditions().map(({ cause, why }): Condition => ({ kind: "suspension", key: cause, why })),
    ...of.store.health().reasons.map((why): Condition => ({ kind: "ledger", key: why, why })),
  ];
  for (const { name, failure } of of.store.ledger.followers()) {
    if (failure !== undefined) conditions.push({ kind: "follower", key: name, why: `${name}: ${failure}` });
  }
  conditions.push(...ofAuthorities(of.authorities));
  const behind = of.reassessment.behind();
  if (behind !== undefined) conditions.push({ kind: "judging", key: "judging", why: behind });
  return {
    ready: conditions.length === 0,
    reasons: conditions.map(({ why }) => why),
    // Whoever issues over the sockets is not to be taken out of service for what a listener shows.
    warnings: [...of.otherWarnings.filter((one) => one !== undefined), ...of.endings.map(({ why }) => why)],
    conditions,
  };
}

function ofAuthorities(authorities: Pick<Authorities, "following" | "active" | "troubles">): readonly Condition[] {
  // What can't be relied on is not asked; the follower's own condition says so.
  const missing =
    authorities.following.refusal() === undefined
      ? SIGNING_FAMILIES.filter((family) => authorities.active(family) === undefined)
      : [];
  const reasons = [...missing.map((family) => `no authority for ${family}s is active`), ...authorities.troubles()];
  return reasons.map((why) => ({ kind: "authority", key: why, why }));
}
