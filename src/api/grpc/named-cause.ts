import { processNamed } from "../../decide/named-process.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { ProcessIdentity } from "../../domain/process.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Process } from "../../gen/stint/v1/types_pb.js";
import type { ProcessWatch } from "../../ports/attestor.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import { processOfMessage } from "../../wire/process-message.ts";

/** What else must name a process that has gone, or that the broker knows by another pid. */
const WHOLE = "boot id, PID namespace and start time too";

/**
 * The process that an operator names: a live one by its pid, any other by all that the kernel knew it by.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function namedProcess(message: Process, caller: Attested, processes: ProcessWatch): ProcessIdentity {
  const named = processOfMessage(message);
  const process = isWhole(named)
    ? named
    : processNamed(named.pid, caller, processes, { field: "process", instead: WHOLE })?.process;
  if (process === undefined) throw invalidField("process", `a live pid, or ${WHOLE}`);
  return { ...process, ...named };
}

function isWhole(named: Partial<ProcessIdentity> & { readonly pid: number }): named is ProcessIdentity {
  return named.bootId !== undefined && named.pidNamespace !== undefined && named.startTimeTicks !== undefined;
}

/**
 * The entry that an operator names, by kind and name or by its id.
 *
 * @throws BrokerError ENTRY_NOT_FOUND
 */
export function namedEntry(text: string, entries: EntryDirectory): RegistrationEntry {
  const found = entries
    .all()
    .find(({ entryId, content }) => text === entryId || text === `${content.kind}/${content.name}`);
  if (found === undefined) throw new BrokerError("ENTRY_NOT_FOUND", "no entry of this kind and name, or with this id");
  return found;
}
