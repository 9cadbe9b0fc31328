import { invalidField } from "../domain/errors.ts";
import { isRemote } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import type { ProcessWatch } from "../ports/attestor.ts";

/**
 * The live process that a caller names by its pid; `undefined` when there is none.
 *
 * @param field - how messages name the pid.
 * @param instead - what a caller has to name instead if its pids are not the broker's.
 * @throws BrokerError INVALID_FIELD where the caller's pids are not the broker's: the number would mean another process
 */
export function processNamed(
  pid: number,
  caller: Attested,
  processes: Pick<ProcessWatch, "find">,
  { field, instead }: { readonly field: string; readonly instead: string },
): ReturnType<ProcessWatch["find"]> {
  if (isRemote(caller.process)) throw invalidField(field, `${instead}: a pid means nothing over a network`);
  if (!caller.sharesPids)
    throw invalidField(field, `${instead}: the caller is in another PID namespace than the broker`);
  return processes.find(pid, caller.process);
}
