import type { Actor } from "../domain/actor.ts";
import { entrySpiffeId } from "../domain/entry-content.ts";
import { type KernelUser, mayBeUser } from "../domain/entry-users.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { newId } from "../domain/ids.ts";
import type { LocalAccounts } from "../domain/local-accounts.ts";
import { type EntryContent, federatesWith, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import { REASON_OF_STATE } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory, StepDirectory } from "../ports/directories.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { EntryChange, EntryResult, PutEntryAct } from "../ports/ledger-acts.ts";
import type { Randomness } from "../ports/randomness.ts";
import { stepsNoLongerPermitted } from "./closes.ts";

export type RegistryPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly steps: Pick<StepDirectory, "open">;
  readonly entries: EntryDirectory;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Randomness;
  /** What keeps agents apart; absent in development, where one user may play every part. */
  readonly apart: UsersApart | undefined;
  readonly inForce: InForce;
};

/** The broker's own user, and the machine's accounts as they are when an entry is put. */
export type UsersApart = { readonly own: KernelUser; readonly accounts: () => LocalAccounts };

/** Registration entries: who may be what. Every change is one durable act, with the closes it brings about. */
export type Registry = {
  /** Closes the open steps that hold what their entries do not permit: a change may have been cut short. */
  start(): Promise<void>;
  create(content: EntryContent, origin: RegistrationEntry["origin"], by: Actor): Promise<EntryResult>;
  /** @param revision - the revision that this change starts from; 0: any. */
  update(reference: string, content: EntryContent, revision: number, by: Actor): Promise<EntryResult>;
  /** Closes the entry's steps and bars new ones. @param reason - why the credentials of these steps are taken back. */
  disable(reference: string, by: Actor, reason?: RevocationReason): Promise<EntryResult>;
  enable(reference: string, by: Actor): Promise<EntryResult>;
  remove(reference: string, by: Actor): Promise<EntryChange & { readonly entryId: string }>;
  /** @throws BrokerError ENTRY_NOT_FOUND */
  find(reference: string): RegistrationEntry;
};

export function createRegistry(ports: RegistryPorts): Registry {
  const { ledger, entries, clock } = ports;

  function find(reference: string): RegistrationEntry {
    const [kind, name, ...rest] = reference.split("/");
    const isNamed = rest.length === 0 && name !== undefined;
    const entry = isNamed
      ? entries.all().find((one) => one.content.kind === kind && one.content.name === name)
      : entries.byId(reference);
    if (entry === undefined) throw new BrokerError("ENTRY_NOT_FOUND", "no such registration entry");
    return entry;
  }

  /** An entry is changed where it was declared; only whether it is in force may be changed by an operator too. */
  function ofApi(reference: string, by: Actor): RegistrationEntry {
    const entry = find(reference);
    if (entry.origin === "config" && by.kind === "operator") {
      throw invalidField(
        "entry",
        "one created by API: this one comes from the configuration file and is changed there",
      );
    }
    return entry;
  }

  /**
   * An agent that runs as the broker could act as the broker: no policy would hold it.
   *
   * @returns the accounts by which the ledger keeps agents apart from operators.
   */
  function checkApart(content: EntryContent): Pick<PutEntryAct, "usersApart"> {
    if (ports.apart === undefined) return {};
    const accounts = ports.apart.accounts();
    if (content.kind === "agent" && mayBeUser(content.selectors, ports.apart.own, accounts)) {
      throw invalidField("selectors", "one user a role: an agent's user is not the broker's");
    }
    return { usersApart: accounts };
  }

  /** Everybody who is given any bundle is given the broker's own, so no entry has to name it. */
  function checkForeign(content: EntryContent): void {
    if (!federatesWith({ content }).includes(ports.trustDomain)) return;
    throw invalidField("federates_with", "other trust domains than the broker's own");
  }

  async function put(
    change: Pick<PutEntryAct, "entry" | "expectedRevision" | "closes" | "by" | "usersApart"> &
      Partial<Pick<PutEntryAct, "reason">>,
  ): Promise<EntryResult> {
    const standing = { reason: REASON_OF_STATE.REVOKED, now: clock.now() };
    const result = await ledger.perform({ act: "put-entry", ...standing, ...change });
    if (isDenial(result)) throw errorOf(result);
    await ports.inForce(result.sequence);
    return result;
  }

  function noLongerPermitted(entry: RegistrationEntry, content: EntryContent): readonly string[] {
    return stepsNoLongerPermitted(entry, content, ports.steps.open());
  }

  async function closeSteps(stepIds: readonly string[], by: Actor): Promise<number> {
    if (stepIds.length === 0) return 0;
    const closed = await ledger.perform({
      act: "close",
      target: { kind: "steps", stepIds },
      state: "REVOKED",
      reason: REASON_OF_STATE.REVOKED,
      by,
      now: clock.now(),
    });
    if (isDenial(closed)) throw errorOf(closed);
    await ports.inForce(closed.sequence);
    return closed.alreadyClosed ? 0 : closed.stepsClosed;
  }

  function changed(entry: RegistrationEntry, change: Partial<RegistrationEntry>): RegistrationEntry {
    return { ...entry, ...change, revision: entry.revision + 1, updatedAt: clock.now() };
  }

  return {
    find,
    async start() {
      const openSteps = ports.steps.open();
      const concerned = new Set(openSteps.flatMap((step) => [step.agentEntryId, step.openerEntryId]));
      for (const entry of entries.all().filter(({ entryId }) => concerned.has(entryId))) {
        const stepIds = stepsNoLongerPermitted(entry, entry.content, openSteps);
        await closeSteps(stepIds, { kind: "broker", cause: "start" });
      }
    },
    async create(content, origin, by) {
      const apart = checkApart(content);
      checkForeign(content);
      const now = clock.now();
      const entry: RegistrationEntry = {
        entryId: newId("entry", now, ports.random.bytes(10)),
        spiffeId: entrySpiffeId(ports.trustDomain, content),
        origin,
        disabled: false,
        revision: 1,
        createdAt: now,
        updatedAt: now,
        content,
      };
      return put({ entry, expectedRevision: 0, closes: [], by, ...apart });
    },
    async update(reference, content, revision, by) {
      const entry = ofApi(reference, by);
      if (revision !== 0 && revision !== entry.revision)
        throw invalidField("revision", `the current one, ${entry.revision}`);
      if (content.kind !== entry.content.kind) throw invalidField("kind", "the one the entry was created with");
      const apart = checkApart(content);
      checkForeign(content);
      const next = changed(entry, { content, spiffeId: entrySpiffeId(ports.trustDomain, content) });
      const change = { entry: next, expectedRevision: entry.revision, by, ...apart };
      if (content.name !== entry.content.name) return put({ ...change, closes: "all" });
      const result = await put({ ...change, closes: noLongerPermitted(entry, content) });
      // Meanwhile a step may have been opened on the old content; from this revision on the ledger refuses such a step.
      const missed = await closeSteps(noLongerPermitted(entry, content), by);
      return { ...result, stepsClosed: result.stepsClosed + missed };
    },
    async disable(reference, by, reason = REASON_OF_STATE.REVOKED) {
      const entry = find(reference);
      // The broker's own keys are replaced by rotating the authority that signs for it.
      if (entry.content.kind === "server") throw invalidField("entry", "another than the broker's own");
      const disabled = changed(entry, { disabled: true });
      return put({ entry: disabled, expectedRevision: entry.revision, closes: "all", reason, by });
    },
    async enable(reference, by) {
      const entry = find(reference);
      const apart = checkApart(entry.content);
      const enabled = changed(entry, { disabled: false });
      return put({ entry: enabled, expectedRevision: entry.revision, closes: [], by, ...apart });
    },
    async remove(reference, by) {
      const entry = ofApi(reference, by);
      const result = await ledger.perform({ act: "retire-entry", entryId: entry.entryId, by, now: clock.now() });
      if (isDenial(result)) throw errorOf(result);
      await ports.inForce(result.sequence);
      return { ...result, entryId: entry.entryId };
    },
  };
}
