import { monotonicMs } from "../demo/json-lines.ts";
import type { LedgerRecord } from "./ask-ledger.ts";
import type { Account, Attack, StintAccount } from "./attack.ts";
import type { Scenes } from "./scenes.ts";

/** How one attack went, in one run. */
export type AttackResult = {
  readonly id: string;
  readonly title: string;
  readonly usual: Account;
  readonly stint: Omit<StintAccount, "ledger">;
  readonly ledger: LedgerRecord;
  /** Whether it succeeds against the usual set-up, is refused by Stint, and is proved to be on record. */
  readonly asPromised: boolean;
  readonly tookMs: number;
};

export async function runAttack(attack: Attack, scenes: Scenes): Promise<AttackResult> {
  const startedAtMs = monotonicMs();
  const usual = await attack.usual(scenes.usual);
  const { ledger, ...stint } = await attack.stint(scenes.stint);
  const asPromised = usual.succeeded && !stint.succeeded && ledger.proved;
  const { id, title } = attack;
  return { id, title, usual, stint, ledger, asPromised, tookMs: Math.round(monotonicMs() - startedAtMs) };
}
