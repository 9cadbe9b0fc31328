import { descendantRefusal } from "../decide/descendants.ts";
import { processNamed } from "../decide/named-process.ts";
import { type RecordingPorts, recordingRefusals } from "../decide/recording-refusals.ts";
import { decidedOn } from "../domain/decision.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { formatProcess, type ProcessIdentity, sameProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { InForce } from "../ports/following.ts";
import type { Kinship } from "../ports/kinship.ts";
import type { Ledger } from "../ports/ledger.ts";
import { mayOpenAny } from "./kin.ts";
import type { TermsPorts } from "./terms.ts";

export type EnrollPorts = Pick<TermsPorts, "stepProcesses"> &
  RecordingPorts & {
    readonly ledger: Pick<Ledger, "perform">;
    readonly processes: Pick<ProcessWatch, "find">;
    readonly kinship: Pick<Kinship, "lineageOf">;
    /** Waits until the enrollment holds for the next call of the process. */
    readonly inDirectory: InForce;
  };

/** `sequence` 0: the process was enrolled before. */
export type Enrolled = { readonly process: ProcessIdentity; readonly sequence: number };

/**
 * Lets one process below the caller open steps as if nobody with a part in steps had started it. What that process
 * starts in turn is not let.
 *
 * @param pid - as the caller and the broker both see it.
 * @throws BrokerError NOT_ENTITLED for a caller that may not open steps itself, or a process that is not below it;
 *   INVALID_FIELD for a pid that names no process, or where the caller's pids are not the broker's; LEDGER_UNAVAILABLE
 */
export function enrollProcess(caller: Attested, pid: number, ports: EnrollPorts): Promise<Enrolled> {
  return recordingRefusals(
    caller,
    () => ({ act: "open" }),
    ports,
    () => enrolled(caller, pid, ports),
  );
}

async function enrolled(caller: Attested, pid: number, ports: EnrollPorts): Promise<Enrolled> {
  const entry = caller.entries.find(mayOpenAny);
  if (entry === undefined) {
    throw new BrokerError("NOT_ENTITLED", "the caller may not open steps, and so it can't let another open them");
  }
  // Whatever single entries allow descendants: who is enrolled may open by each of its entries.
  const refusal = descendantRefusal(caller, ports);
  if (refusal !== undefined) throw refusal;
  const { process } = childNamed(pid, caller, ports);
  const recorded = await ports.ledger.perform({
    act: "enroll-process",
    process,
    by: { kind: "entry", entryId: entry.entryId, process: formatProcess(caller.process) },
    decidedOn: decidedOn(entry),
    now: ports.clock.now(),
  });
  if (isDenial(recorded)) throw errorOf(recorded);
  if (recorded.sequence > 0) await ports.inDirectory(recorded.sequence);
  return { process, sequence: recorded.sequence };
}

function childNamed(
  pid: number,
  caller: Attested,
  { processes, kinship }: EnrollPorts,
): { readonly process: ProcessIdentity } {
  const found = processNamed(pid, caller, processes, {
    field: "pid",
    instead: "from a caller in the broker's PID namespace",
  });
  if (found === undefined) throw invalidField("pid", "a live process");
  const lineage = kinship.lineageOf(found.process);
  const above = lineage.kind === "untold" ? [] : lineage.chain.slice(1);
  if (!above.some(({ process }) => sameProcess(process, caller.process))) {
    throw new BrokerError("NOT_ENTITLED", "the process is not one that the caller started, or its parent has ended");
  }
  return found;
}
