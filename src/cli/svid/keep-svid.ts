import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isStintError, type Step, type X509Svid } from "../../sdk/runtime/index.ts";
import type { Session } from "../session.ts";

/** Of an SVID's life, as the SDK that mints the next one has it. */
const LIFE_USED_MAX = 2 / 3;
/** Between two questions for a new one, while the broker has none to give. */
const AGAIN_AFTER_MS = 1_000;

/**
 * Hands over each X.509-SVID of a step, the first and then every new one, until the step ends or `stop` aborts.
 *
 * @param keep - puts it where it is used; the next one is not asked for before.
 * @throws StintError when the broker refuses; whatever `keep` throws
 */
export async function keepSvid(
  step: Step,
  keep: (svid: X509Svid, isFirst: boolean) => Promise<void>,
  { note, stop }: Pick<Session, "note"> & { readonly stop: AbortSignal },
): Promise<void> {
  const over = AbortSignal.any([step.signal, stop]);
  let kept: string | undefined;
  let isTold = false;
  while (!over.aborted) {
    let waitMs = AGAIN_AFTER_MS;
    try {
      const svid = await step.x509Svid();
      isTold = false;
      if (svid.issuanceId !== kept) {
        await keep(svid, kept === undefined);
        kept = svid.issuanceId;
        waitMs = Math.max(AGAIN_AFTER_MS, (svid.expiresAt.getTime() - Date.now()) * LIFE_USED_MAX);
      }
    } catch (thrown) {
      if (over.aborted) break;
      if (kept === undefined || !isStintError(thrown)) throw thrown;
      // The step's last seconds: what there is lasts about as long as the step.
      const isLast = isStintError(thrown, "STEP_EXPIRING");
      if (!isLast && !thrown.retryable) throw thrown;
      if (!isLast && !isTold) note(`no new X.509-SVID yet: ${thrown.reason}: ${thrown.message}`);
      isTold ||= !isLast;
    }
    await sleep(waitMs, undefined, { signal: over }).catch(() => undefined);
  }
  if (!stop.aborted) note(`${String((step.signal.reason as Error).message)}: its files are removed`);
}

/** Runs a command, without a shell, and says how it failed if it did. */
export async function runOnRenewal(
  command: readonly string[],
  { note, stop }: Pick<Session, "note"> & { readonly stop: AbortSignal },
): Promise<void> {
  const [program, ...args] = command;
  if (program === undefined) return;
  try {
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], signal: stop });
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    if (code !== 0) note(`the command on renewal ended with ${code ?? signal}`);
  } catch {
    if (!stop.aborted) note("the command on renewal could not be started");
  }
}
