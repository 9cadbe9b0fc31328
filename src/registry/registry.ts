import { entrySpiffeId } from "../domain/entry-content.ts";
import { BrokerError, errorOf, invalidField } from "../domain/errors.ts";
import { newId } from "../domain/ids.ts";
import type { Actor } from "../domain/ledger-event.ts";
import { LIMITS } from "../domain/limits.ts";
import { type EntryContent, federatesWith, type RegistrationEntry } from "../domain/registration-entry.ts";
import { kindOf, type Selector } from "../domain/selector.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import { REASON_OF_STATE } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryResult, Ledger } from "../ports/ledger.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { Randomness } from "../ports/randomness.ts";
import { stepsNoLongerPermitted } from "./closes.ts";
import type { MutableEntryDirectory } from "./entry-directory.ts";

export type RegistryPorts = {
  readonly ledger: Ledger;
  readonly steps: StepReads;
  readonly entries: MutableEntryDirectory;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Randomness;
  /** Selectors of the broker's own user; absent in development, where one user may play every part. */
  readonly ownSelectors: readonly Selector[] | undefined;
  /** Steps may have been closed: looks at them again. */
  readonly stepsClosed: () => void;
};

/** Registration entries: who may be what. Every change is one durable act, with the closes it brings about. */
export type Registry = {
  /** Closes the open steps that hold what their entries do not permit: a change may have been cut short. */
  start(): Promise<void>;
  create(content: EntryContent, origin: RegistrationEntry["origin"], by: Actor): Promise<EntryResult>;
  /** @param revision - the one this change starts from; 0: whatever it is. */
  update(reference: string, content: EntryContent, revision: number, by: Actor): Promise<EntryResult>;
  /** Closes its steps and bars new ones. */
  disable(reference: string, by: Actor): Promise<EntryResult>;
  enable(reference: string, by: Actor): Promise<EntryResult>;
  remove(reference: string, by: Actor): Promise<EntryResult>;
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

  /** What an entry says is changed where it is declared; whether it is in force can be changed by an operator too. */
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

  /** An agent that runs as the broker or as an operator could act as either, so no policy would hold it. */
  function checkApart(content: EntryContent): void {
    if (ports.ownSelectors === undefined) return;
    const isUser = (one: Selector) => kindOf(one) === "unix:uid" || kindOf(one) === "unix:user";
    const others = content.kind === "agent" ? "operator" : content.kind === "operator" ? "agent" : undefined;
    const taken = entries
      .all()
      .filter((entry) => entry.content.kind === others)
      .flatMap((entry) => entry.content.selectors)
      .filter(isUser);
    const forbidden = new Set(content.kind === "agent" ? [...taken, ...ports.ownSelectors] : taken);
    if (content.selectors.some((one) => forbidden.has(one))) {
      throw invalidField("selectors", "one user a role: an agent's user is neither the broker's nor an operator's");
    }
  }

  /** Its own bundle everybody is given who is given any. */
  function checkForeign(content: EntryContent): void {
    if (!federatesWith({ content }).includes(ports.trustDomain)) return;
    throw invalidField("federates_with", "other trust domains than the broker's own");
  }

  async function put(
    entry: RegistrationEntry,
    expectedRevision: number,
    closes: readonly string[] | "all",
    by: Actor,
  ): Promise<EntryResult> {
    const result = await ledger.perform({ act: "put-entry", entry, expectedRevision, closes, by, now: clock.now() });
    if (result.kind === "denial") throw errorOf(result);
    entries.put(result.entry);
    if (result.stepsClosed > 0) ports.stepsClosed();
    return result;
  }

  async function noLongerPermitted(entry: RegistrationEntry, content: EntryContent): Promise<readonly string[]> {
    return stepsNoLongerPermitted(entry, content, await ports.steps.openSteps({ entryId: entry.entryId }));
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
    if (closed.kind === "denial") throw errorOf(closed);
    ports.stepsClosed();
    return closed.alreadyClosed ? 0 : closed.stepsClosed;
  }

  function changed(entry: RegistrationEntry, change: Partial<RegistrationEntry>): RegistrationEntry {
    return { ...entry, ...change, revision: entry.revision + 1, updatedAt: clock.now() };
  }

  return {
    find,
    async start() {
      const openSteps = await ports.steps.openSteps({});
      const concerned = new Set(openSteps.flatMap((step) => [step.agentEntryId, step.openerEntryId]));
      for (const entry of entries.all().filter(({ entryId }) => concerned.has(entryId))) {
        const stepIds = stepsNoLongerPermitted(entry, entry.content, openSteps);
        await closeSteps(stepIds, { kind: "broker", cause: "start" });
      }
    },
    async create(content, origin, by) {
      if (entries.all().length >= LIMITS.entriesMax) {
        throw new BrokerError("LIMIT_EXCEEDED", `at most ${LIMITS.entriesMax} registration entries`);
      }
      if (entries.byName(content.kind, content.name) !== undefined) {
        throw invalidField("name", "one that no other entry of this kind has");
      }
      checkApart(content);
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
      return put(entry, 0, [], by);
    },
    async update(reference, content, revision, by) {
      const entry = ofApi(reference, by);
      if (revision !== 0 && revision !== entry.revision)
        throw invalidField("revision", `the current one, ${entry.revision}`);
      if (content.kind !== entry.content.kind) throw invalidField("kind", "the one the entry was created with");
      if (content.name !== entry.content.name && entries.byName(content.kind, content.name) !== undefined) {
        throw invalidField("name", "one that no other entry of this kind has");
      }
      checkApart(content);
      checkForeign(content);
      const next = changed(entry, { content, spiffeId: entrySpiffeId(ports.trustDomain, content) });
      if (content.name !== entry.content.name) return put(next, entry.revision, "all", by);
      const result = await put(next, entry.revision, await noLongerPermitted(entry, content), by);
      // Meanwhile one may have been opened on the old content; from this revision on the ledger refuses that.
      const missed = await closeSteps(await noLongerPermitted(entry, content), by);
      return { ...result, stepsClosed: result.stepsClosed + missed };
    },
    async disable(reference, by) {
      const entry = find(reference);
      // Its keys are replaced by rotating the authority that signs for it.
      if (entry.content.kind === "server") throw invalidField("entry", "another than the broker's own");
      return put(changed(entry, { disabled: true }), entry.revision, "all", by);
    },
    async enable(reference, by) {
      const entry = find(reference);
      return put(changed(entry, { disabled: false }), entry.revision, [], by);
    },
    async remove(reference, by) {
      const entry = ofApi(reference, by);
      const result = await ledger.perform({ act: "retire-entry", entryId: entry.entryId, by, now: clock.now() });
      if (result.kind === "denial") throw errorOf(result);
      entries.remove(entry.entryId);
      if (result.stepsClosed > 0) ports.stepsClosed();
      return result;
    },
  };
}
