import { type DenialRecorder, denyOf } from "../decide/record-denial.ts";
import { lookingEntry } from "../decide/step-access.ts";
import { BrokerError } from "../domain/errors.ts";
import { isOfKind, type RegistrationEntry, type VerifierEntry } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { CallRate, TakenCall } from "./call-rate.ts";
import type { CallRequest } from "./call-request.ts";

declare const stage: unique symbol;

/** Who asks about a call, and may. */
export type Asker = {
  readonly [stage]: "asker";
  readonly entry: Pick<RegistrationEntry, "entryId" | "revision">;
  readonly caller: Attested;
  readonly taken: TakenCall;
};

export type AskerPorts = {
  readonly rate: CallRate;
  readonly denials: DenialRecorder;
  readonly clock: Clock;
  readonly random: Randomness;
};

/**
 * The verifier that has the tool, or an operator who may look: a detector would learn what a step may do, and use up
 * calls that were counted.
 *
 * @throws BrokerError NOT_ENTITLED for anybody else, another verifier too; LIMIT_EXCEEDED for whoever asks too often, at all or for one step
 * @see contracts section 3
 */
export async function askerOf(caller: Attested, request: CallRequest, ports: AskerPorts): Promise<Asker> {
  const entry = entryFor(caller, request.location);
  if (entry === undefined) throw await notEntitled(caller, request, ports);
  const taken = ports.rate.takeCall(entry.entryId, request.credential);
  return { entry, caller, taken } as Asker;
}

function entryFor(caller: Attested, location: string): Asker["entry"] | undefined {
  return verifierFor(caller, location) ?? lookingEntry(caller);
}

/** A caller as a verifier and nothing else, where nobody else may ask. */
export function verifiersOnly(caller: Attested): Attested {
  return { ...caller, entries: caller.entries.filter((entry) => isOfKind(entry, "verifier")) };
}

/** The caller's entry that answers for an audience. */
export function verifierFor({ entries }: Pick<Attested, "entries">, audience: string): VerifierEntry | undefined {
  return entries.find((entry): entry is VerifierEntry => {
    return isOfKind(entry, "verifier") && entry.content.audiences.includes(audience);
  });
}

async function notEntitled(caller: Attested, { use }: CallRequest, ports: AskerPorts): Promise<BrokerError> {
  const message = "only the verifier of a location, and operators but detectors and standbys, ask about calls there";
  const callerEntryId = caller.entries[0]?.entryId;
  const refused = { act: "call", reason: "NOT_ENTITLED", message, requested: [use] } as const;
  const of = callerEntryId === undefined ? {} : { callerEntryId };
  const decisionId = await ports.denials.record(denyOf({ ...refused, ...of }, ports), caller);
  return new BrokerError("NOT_ENTITLED", message, { metadata: { decision_id: decisionId } });
}
