import type { ErrorCode } from "./errors.ts";
import type { Action, Grant } from "./grant.ts";
import type { RegistrationEntry } from "./registration-entry.ts";
import type { RiskAround, RiskScope } from "./risk.ts";
import type { FactScope, RunFacts } from "./run-facts.ts";
import type { Segment, StepName } from "./spiffe-id.ts";
import type { UnixMicros } from "./time.ts";

/**
 * Who was refused, as far as it was known: enough to find the program, and no path. The ledger holds one for a denial,
 * and of several denials in one decision only what is the same in all of them.
 */
export type RefusedCaller = {
  /** Absent over a network. */
  readonly uid?: number;
  /** Base name of the executable's path; absent where the path can't be believed. */
  readonly executable?: string;
  /** SHA-256 of the executable, hexadecimal; absent where it could not be made in time. */
  readonly executableSha256?: string;
  /** Sorted, without those that name the executable; no more than fit into `LIMITS.refusedSelectorsBytesMax`. */
  readonly selectors: readonly string[];
};

/** One recorded allow or deny, with what determined it. */
export type Decision = {
  readonly decisionId: string;
  readonly act: "open" | "issue" | "attest" | "administer" | "judge" | "call";
  readonly effect: "allow" | "deny";
  /** Set on a deny. */
  readonly reason?: ErrorCode;
  /** What the caller was told, on a deny, but for where to go from there. Absent where a decision stands for denials that were told different things. */
  readonly message?: string;
  /** Whom it was told, on a deny. */
  readonly caller?: RefusedCaller;
  readonly decidedAt: UnixMicros;
  readonly callerEntryId?: string;
  readonly agent?: string;
  readonly runId?: string;
  readonly step?: string;
  readonly attempt?: number;
  readonly stepId?: string;
  readonly requested: Grant;
  readonly granted: Grant;
  readonly refused: Grant;
  /** Set for the act `call`, unless the decision stands for denials of different calls. */
  readonly call?: ToolCall;
  readonly determiningPolicies: readonly string[];
  /** SHA-256, hexadecimal, of the policies that were in force. */
  readonly policyDigest: string;
  /** Policies that could not be evaluated, sorted; each is a deny. */
  readonly policyErrors?: readonly string[];
  /** What else the policies were asked on. Absent where no policy was asked. */
  readonly situation?: Situation;
  /**
   * Who opened the step, where no policy was asked: policies that are put in force while the step is open judge it on this.
   * Absent where it is more than policies are asked about.
   */
  readonly opening?: OpenerFacts;
  /** Who may approve what was denied: absent where approving can't help. */
  readonly approval?: string;
  /** Open steps that end with this decision, since what it grants puts them out of bounds. */
  readonly closes?: readonly string[];
  /** How many equal denials this decision stands for. */
  readonly count: number;
};

/** A call of a tool that was asked about. What it was called with is not here, but for a digest that tells two apart. */
export type ToolCall = {
  /** Of the server that has the tool. */
  readonly location: string;
  readonly tool: string;
  readonly actions: readonly Action[];
  readonly datatypes: readonly string[];
  /** SHA-256 of the arguments' canonical JSON, hexadecimal; absent where the server did not tell. */
  readonly argumentsSha256?: string;
  /** Digest of the tool's definition, hexadecimal; absent where the server did not tell. */
  readonly definitionSha256?: string;
  /** Of the credential that grants it; absent for one that is no credential of this broker. */
  readonly jti?: string;
  /** The budgets that an allowed call was counted by; absent where the grant says nothing of how many. */
  readonly counted?: readonly CountedBudget[];
  /** The approval that an allowed call has used up, or that a denied one waits for; absent: none. */
  readonly approvalId?: string;
};

/** The calls that one element of a grant allows, by whose grant it is and the element's place in it. */
export type CountedBudget = {
  /** A step's id; or an issuance's, where its credential was asked for with less than its step has. */
  readonly holder: string;
  readonly element: number;
};

/**
 * The request as it was evaluated, apart from what the decision says anyway, and from where the run is confined to, which
 * follows from the facts, the request and the data classes of the set.
 */
export type Situation = {
  /** Version of the set of policies. */
  readonly policyVersion: number;
  readonly runtime?: Segment;
  readonly principalId?: string;
  readonly workflow?: string;
  readonly parent?: { readonly agent: Segment; readonly name: StepName };
  readonly facts: RunFacts;
  readonly risk: RiskAround;
  readonly depth: number;
  /** Runtime and selectors are not on record: a policy that looks at them could not be asked. */
  readonly openerUnknown?: true;
  /** Whose approval was given, so that policies which ask for it were set aside. */
  readonly approved?: string;
  /** Which policies the approval was given for, sorted: no others were set aside. Absent: all that ask for it were. */
  readonly approvedPolicies?: readonly string[];
  /** Of the caller, sorted; none that holds a path. */
  readonly selectors: readonly string[];
  /** When it was asked, which is a little before the decision was made. */
  readonly at: UnixMicros;
  /** Positions in `requested` of what the policies were not asked about, since the ceiling refused it; absent: none. */
  readonly aboveCeiling?: readonly number[];
  /** And of what the parent's grant refused, or the token that passes on a part of it. */
  readonly aboveParent?: readonly number[];
  /** Present where a part of what was requested would have been granted too. */
  readonly allowPartial?: true;
  /** Elements of which ceiling or parent left fewer calls than were requested, and how many; absent: none. */
  readonly fewerCalls?: readonly FewerCalls[];
  /** Present where the parent itself would have been out of bounds, which refuses whatever the policies permit. */
  readonly closesParent?: true;
};

/** By the element's position in `requested`. */
export type FewerCalls = { readonly element: number; readonly calls: number };

/** The part of a step's situation that stays as it was when the step was opened. */
export type OpenerFacts = Pick<Situation, "runtime" | "parent" | "selectors">;

/**
 * What a decision or an entitlement was made on. `DecidedOn` is carried along to the ledger, which records nothing
 * unless all the entries in it still stand.
 */
export type DecidedOn = {
  /** Registration entries in force, each with the revision that was looked at. */
  readonly entries: readonly { readonly entryId: string; readonly revision: number }[];
  /** Absent where no policy was asked. */
  readonly world?: DecidedOnWorld;
};

/** The state of the world that policies were asked on, each part with what tells that it has not changed since. */
export type DecidedOnWorld = {
  /** Sequence of the event that put the policies in force; 0 where none were. */
  readonly policies: number;
  /**
   * The facts of the step's scopes, by their version. `steps` as well where the answer hung on how many steps there
   * are, or where no step may have been opened meanwhile that this decision would have to close.
   */
  readonly facts: readonly { readonly scope: FactScope; readonly version: number; readonly steps?: number }[];
  /** Sequence of the event that set the risk of a scope last; 0 where none did. */
  readonly risk: readonly { readonly scope: RiskScope; readonly sequence: number }[];
};

/** The `DecidedOn` of a decision that was made on these entries alone. An entry that is named twice counts once. */
export function decidedOn(...entries: readonly Pick<RegistrationEntry, "entryId" | "revision">[]): DecidedOn {
  const byId = new Map(entries.map(({ entryId, revision }) => [entryId, { entryId, revision }]));
  return { entries: [...byId.values()] };
}
