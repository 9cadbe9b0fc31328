import { isRemote, type ProcessIdentity, sameProcess } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { StepReads } from "../ports/ledger-reads.ts";

export type RequestersPorts = {
  readonly processes: Pick<ProcessWatch, "find">;
  readonly steps: Pick<StepReads, "opening">;
};

/**
 * Users who ask for what a step does: its opener's, and its executor's; none for those who are not on this host.
 *
 * @returns `undefined` where it can't be told any more, and so nobody is known not to have asked
 */
export async function requestersOf(step: Step, ports: RequestersPorts): Promise<readonly number[] | undefined> {
  const { opener, executor, approval } = step;
  // Of a step that waited it was recorded then.
  if (approval !== undefined) return approval.requesters;
  const opening = isRemote(opener) ? [] : (userOf(opener, ports) ?? (await attestedUser(step, ports)));
  const executing = executor.kind === "any" ? [] : userOf(executor.process, ports);
  return opening === undefined || executing === undefined ? undefined : [...new Set([...opening, ...executing])];
}

function userOf(process: ProcessIdentity, { processes }: RequestersPorts): readonly number[] | undefined {
  const found = processes.find(process.pid, process);
  return found !== undefined && sameProcess(found.process, process) ? [found.uid] : undefined;
}

const USER = /^unix:uid:([0-9]+)$/;

/** As it was attested when the step was opened: an opener need not live as long as its step. */
async function attestedUser({ decisionId }: Step, { steps }: RequestersPorts): Promise<readonly number[] | undefined> {
  const users = ((await steps.opening(decisionId))?.selectors ?? []).flatMap((selector) => {
    const uid = USER.exec(selector)?.[1];
    return uid === undefined ? [] : [Number(uid)];
  });
  return users.length === 0 ? undefined : users;
}
