import type { McpAnswer } from "../demo/mcp-call.ts";
import type { LedgerRecord } from "./ask-ledger.ts";
import type { Attempt } from "./attempts.ts";
import type { StintSetUp, UsualSetUp } from "./scenes.ts";

/** Something that was done, and what was seen of it in this run. */
export type Observation = { readonly did: string; readonly saw: string };

/** How an attack went. */
export type Account = {
  /** Whether whoever attacks has what they wanted: by what was seen, not by what was meant. */
  readonly succeeded: boolean;
  /** In a few words, for one line. */
  readonly summary: string;
  readonly observations: readonly Observation[];
};

export type StintAccount = Account & {
  /** The words for programs with which Stint said no, in the order in which it did. */
  readonly reasons: readonly string[];
  readonly ledger: LedgerRecord;
};

/** Texts of the page that no run gives. */
export type AttackPage = {
  /** What happens in the world, in a paragraph. */
  readonly story: string;
  /** Who the attacker is here, and what they have. */
  readonly attacker: string;
  /** Why Stint refuses: which parts of it, with links from `docs/attacks`. */
  readonly why: string;
  /** What a more careful set-up without Stint prevents, and what not. */
  readonly careful: string;
  /** What Stint does not prevent. */
  readonly left: readonly string[];
};

export type Attack = {
  /** Name of its page and its file. */
  readonly id: string;
  readonly title: string;
  readonly page: AttackPage;
  usual(setUp: UsualSetUp): Promise<Account>;
  stint(setUp: StintSetUp): Promise<StintAccount>;
};

/** ``401 `STEP_CLOSED` ``: how a server answered. */
export function answerText({ status, reason }: Pick<McpAnswer, "status" | "reason">): string {
  return reason === "" ? String(status) : `${status} \`${reason}\``;
}

/** How the broker answered. */
export function attemptText({ reason, message }: Attempt): string {
  return `\`${reason}\`: ${message}`;
}

/** `3 customers' records` */
export function recordsText(records: number): string {
  return records === 1 ? "1 customer's record" : `${records} customers' records`;
}
