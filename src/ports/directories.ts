import type { Authority, KeyFamily } from "../domain/authority.ts";
import type { Denial } from "../domain/errors.ts";
import type { EntryContent, EntryKind, RegistrationEntry } from "../domain/registration-entry.ts";
import type { FactScope } from "../domain/run-facts.ts";
import type { Selector } from "../domain/selector.ts";
import type { Step } from "../domain/step.ts";
import type { Cancel } from "./clock.ts";
import type { PoliciesInForce } from "./policy-engine.ts";
import type { ToolStanding } from "./tool-reads.ts";

/**
 * The registration entries in force, kept in memory. The directory may be a commit behind the ledger; a decision that
 * is made on an entry names the entry and its revision, and the ledger's guards have the last word.
 */
export type EntryDirectory = {
  /** Enabled entries all of whose selectors are among those attested. */
  matching(attested: ReadonlySet<Selector>): readonly RegistrationEntry[];
  byId(entryId: string): RegistrationEntry | undefined;
  byName<Kind extends EntryKind>(
    kind: Kind,
    name: string,
  ): RegistrationEntry<Extract<EntryContent, { kind: Kind }>> | undefined;
  all(): readonly RegistrationEntry[];
  /** Whether any entry asks for the executable's digest, so that hashing pays. */
  wantsExecutableDigest(): boolean;
  /** Whether any entry asks for the systemd unit. */
  wantsSystemdUnit(): boolean;
};

/** The authorities in force. */
export type AuthorityDirectory = {
  /** The authority that signs; `undefined` when no authority of this family is active with its key at hand. */
  active(family: KeyFamily): Authority | undefined;
  /** All authorities that verifiers are to know, `old` authorities too. */
  all(): readonly Authority[];
};

/** The policies in force. It may be a commit behind the ledger, whose guards have the last word. */
export type PolicyDirectory = {
  /** @throws BrokerError NOT_SERVING while the policies in force can't be asked */
  inForce(): Promise<PoliciesInForce>;
};

/** Says whether anything may be issued at all: a clock that jumped or a ledger put back in time stops all issuance. */
export type IssuanceGate = {
  /** The refusal in force; `undefined` when issuing is allowed. */
  refusal(): Denial | undefined;
};

/**
 * Steps. The open ones are kept in memory, since issuing looks at its step twice and each look would be a read of the
 * database. A caller finds what an earlier answer told that caller; otherwise the directory may be a commit behind, and
 * the ledger's guards have the last word.
 */
export type StepDirectory = {
  byId(stepId: string): Promise<Step | undefined>;
  /** Oldest first. @throws BrokerError NOT_SERVING while the directory is more than a commit behind the ledger */
  open(): readonly Step[];
  /**
   * Open steps whose grants count in any of these scopes, or in a run that an open step connects with one of them: all that
   * is bound by what is granted there. Oldest first.
   *
   * @param through - the event that the answer takes account of: for who has read the ledger, and must not miss a step
   *   that was counted there.
   * @throws as `open` does
   */
  openInScopes(scopes: readonly FactScope[], through: number): Promise<readonly Step[]>;
  /** Calls with the step after each change, the last time when it was closed; ends with the returned function. */
  followStep(stepId: string, changed: (step: Step) => void): Cancel;
};

/** Which definitions of tools are pinned, for paths that must not wait for a read. */
export type ToolDirectory = {
  /** `undefined` for a tool that nobody has reported. @throws BrokerError NOT_SERVING while that is not known */
  standing(location: string, tool: string): Pick<ToolStanding, "pinned" | "newest"> | undefined;
};
