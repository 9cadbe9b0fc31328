import { BrokerError, invalidField } from "./errors.ts";
import { isOfKind, type RegistrationEntry } from "./registration-entry.ts";
import { type Selector, typeOf } from "./selector.ts";
import { parseSegment, type Segment, type SpiffeId, spiffeIdBelow } from "./spiffe-id.ts";

/** What evidence says of one machine alone; of a claim, its name follows. */
const NAMING = /^(?:k8s:node-name|x509pop:subject:cn|x509pop:san:dns|oidc:sub|oidc:claim:[^\s\p{C}:]{1,128})$/u;

/**
 * Accepts what the machines of a group are told apart by.
 *
 * @param selectors - of the entry: the evidence that they show has to have both.
 * @throws BrokerError INVALID_FIELD
 */
export function parseMachineName(text: string, selectors: readonly Selector[], field: string): string {
  if (!NAMING.test(text)) {
    throw invalidField(field, "k8s:node-name, x509pop:subject:cn, x509pop:san:dns, oidc:sub or oidc:claim:<name>");
  }
  const type = text.slice(0, text.indexOf(":"));
  if (!selectors.some((one) => typeOf(one) === type)) throw invalidField(field, `what the selectors' evidence says`);
  if (selectors.some((one) => one.startsWith(`${text}:`))) {
    throw invalidField(field, "what no selector of the entry names: it would be one machine's");
  }
  return text;
}

/**
 * The machine of a group that evidence is of.
 *
 * @param attested - the evidence's selectors, which match the entry.
 * @returns `undefined` for an entry that is no group
 * @throws BrokerError NO_IDENTITY
 */
export function machineIn(entry: RegistrationEntry, attested: ReadonlySet<Selector>): Segment | undefined {
  if (!isOfKind(entry, "node") || entry.content.machineName === undefined) return undefined;
  const { machineName } = entry.content;
  const [name, ...others] = [...attested]
    .filter((one) => one.startsWith(`${machineName}:`))
    .map((one) => one.slice(machineName.length + 1));
  if (name === undefined || others.length > 0) throw refused(`the evidence does not have one ${machineName}`);
  let machine: Segment;
  try {
    machine = parseSegment(name, "machine_name");
  } catch (cause) {
    throw refused(`${machineName} is no name that a SPIFFE ID can have as a segment`, cause);
  }
  if (isBarred(entry, machine)) throw refused("the machine is barred");
  return machine;
}

/**
 * The SPIFFE ID of an entry, and of a group that of one of its machines.
 *
 * @returns `undefined` where the entry is no group and a machine is named, or the other way round; and of a barred machine
 */
export function identityOf(entry: RegistrationEntry, machine: Segment | undefined): SpiffeId | undefined {
  if (isGroup(entry) !== (machine !== undefined)) return undefined;
  if (machine === undefined) return entry.spiffeId;
  return isBarred(entry, machine) ? undefined : spiffeIdBelow(entry.spiffeId, machine);
}

/** Whether an entry is of a group of machines. */
export function isGroup(entry: RegistrationEntry): boolean {
  return isOfKind(entry, "node") && entry.content.machineName !== undefined;
}

function isBarred(entry: RegistrationEntry, machine: Segment): boolean {
  return isOfKind(entry, "node") && entry.content.barredMachines?.includes(machine) === true;
}

function refused(detail: string, cause?: unknown): BrokerError {
  const message = "the evidence does not name a machine of the node's group that is believed";
  return new BrokerError("NO_IDENTITY", message, { detail, cause });
}
