import { monotonicMs } from "../demo/json-lines.ts";
import { type LedgerRecord, NOTHING } from "./ask-ledger.ts";
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

/** One that could not be carried out, on either side, did not go as promised. */
export async function runAttack(attack: Attack, scenes: Scenes): Promise<AttackResult> {
  const startedAtMs = monotonicMs();
  const usual = await attack.usual(scenes.usual).catch(notDone);
  const { ledger, ...stint } = await attack.stint(scenes.stint).catch(notDone);
  const asPromised = usual.succeeded && !stint.succeeded && ledger.proved;
  const { id, title } = attack;
  return { id, title, usual, stint, ledger, asPromised, tookMs: Math.round(monotonicMs() - startedAtMs) };
}

function notDone(thrown: unknown): StintAccount {
  const summary = `NOT DONE: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return { succeeded: false, summary, observations: [], reasons: [], ledger: NOTHING };
}
