import { BrokerError } from "../domain/errors.ts";
import { ownedBy, ownerOf, sameOwner } from "../domain/owner.ts";
import { isOfKind, OPERATOR_ROLES, type OperatorRole, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { isExecutedBy } from "./executed-by.ts";

/** What a caller is to a step. Contracts section 3, "Who may call what". */
export type StepAccess = {
  /** Any process of the entry that opened the step, on a group of nodes on the same machine, unless that entry is an operator's. */
  readonly asOpener: boolean;
  readonly asExecutor: boolean;
  readonly asOperator: OperatorRole | undefined;
};

export function accessTo(step: Step, caller: Attested): StepAccess {
  const isAgent = caller.entries.some((entry) => entry.entryId === step.agentEntryId);
  return {
    asOpener: caller.entries.some((entry) => isOpenedBy(step, entry, caller) && !isOfKind(entry, "operator")),
    asExecutor: isAgent && isExecutedBy(step, caller),
    asOperator: operatorRole(caller),
  };
}

/** Whether the step belongs to this entry of the caller's, and to the machine where the caller is. */
export function isOpenedBy(
  step: Pick<Step, "openerEntryId" | "opener">,
  { entryId }: Pick<RegistrationEntry, "entryId">,
  { process }: Pick<Attested, "process">,
): boolean {
  return sameOwner(ownerOf(step), ownedBy(entryId, process));
}

/** Roles that ask about whatever the broker knows. A detector says what it has found; a standby keeps a copy of the ledger, and asks nothing. */
const LOOKING: readonly OperatorRole[] = OPERATOR_ROLES.filter((role) => role !== "detector" && role !== "standby");

/** `admin` if one of the caller's operator entries has that role, else the first role that may look. */
export function operatorRole(caller: Attested): OperatorRole | undefined {
  const roles = caller.entries.filter((entry) => isOfKind(entry, "operator")).map((entry) => entry.content.role);
  return roles.includes("admin") ? "admin" : roles.find((role) => LOOKING.includes(role));
}

/**
 * The step, if the caller may see it.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED
 */
export function visibleTo(
  caller: Attested,
  step: Step | undefined,
): { readonly step: Step; readonly access: StepAccess } {
  if (step === undefined) throw new BrokerError("STEP_NOT_FOUND", "no such step");
  if (!isVisibleTo(caller, step)) throw new BrokerError("NOT_ENTITLED", "the step belongs to another entry's run");
  return { step, access: accessTo(step, caller) };
}

/** Whether a caller may see a step: as its opener, its executor or an operator. */
export function isVisibleTo(caller: Attested, step: Step): boolean {
  const access = accessTo(step, caller);
  return access.asOpener || access.asExecutor || access.asOperator !== undefined;
}

/**
 * The entry by which a caller administers.
 *
 * @throws BrokerError NOT_ENTITLED when none of its operator entries has one of the roles
 */
export function operatorWith(
  caller: Attested,
  roles: readonly OperatorRole[],
): Pick<RegistrationEntry, "entryId" | "revision"> {
  const entry = caller.entries.find((one) => isOfKind(one, "operator") && roles.includes(one.content.role));
  if (entry === undefined)
    throw new BrokerError("NOT_ENTITLED", `only for operators with the role ${roles.join(" or ")}`);
  return { entryId: entry.entryId, revision: entry.revision };
}

/**
 * Every operator may look but a detector and a standby.
 *
 * @throws BrokerError NOT_ENTITLED
 */
export function checkMayLook(caller: Attested): void {
  operatorWith(caller, LOOKING);
}

/** The entry by which a caller may look; `undefined` for a detector or a standby, and for whoever is no operator. */
export function lookingEntry({ entries }: Pick<Attested, "entries">): RegistrationEntry | undefined {
  return entries.find((entry) => isOfKind(entry, "operator") && LOOKING.includes(entry.content.role));
}
