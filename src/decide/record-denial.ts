import type { Decision } from "../domain/decision.ts";
import { BrokerError, type Denial } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess, isRemote, type ProcessIdentity } from "../domain/process.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";
import { commonCaller, digestIn, type Refusee, refusalText, refusedCaller } from "./refused-caller.ts";

export type DenialRecorder = {
  /**
   * Records a deny. Never throws.
   *
   * @param refusee - who was refused; absent where nothing is known of whoever it was.
   * @returns the id of the decision by which the deny is found: this decision, once it is durable; or, past the limit,
   *   the decision that counts the further denials, which is written when the minute is over
   */
  record(decision: Decision, refusee: Refusee | undefined): Promise<string>;
  /** Writes the decisions that still count denials, and resolves once they are durable. */
  flush(): Promise<void>;
};

type Window = {
  recorded: number;
  /** The decision that stands for all denials past the limit, with their count so far. */
  counting: Decision | undefined;
  /** Digests of executables of this window's callers, by process and path: each process is hashed once. */
  readonly digests: Map<string, Promise<string | undefined>>;
  readonly cancel: Cancel;
};

const WINDOW_MS = 60_000;
/** A refusal is not put off for longer than this by a large executable on a slow disk. */
const DIGEST_WAIT_MS = 1_000;
/** Combinations of caller and reason told apart at one time; past this number the oldest window is closed early. */
const WINDOWS_MAX = 10_000;

export type DenialPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
  /** Whether an agent of this name is registered. A caller can ask for as many names as it likes. */
  readonly isAgent: (name: string) => boolean;
  /** SHA-256 of what a live process executes, hexadecimal, made off the event loop; absent where nobody can tell. */
  readonly executableSha256?: (process: ProcessIdentity, uid: number) => Promise<string | undefined>;
  readonly failed: (error: unknown) => void;
};

/**
 * Records denials. Of one user, entry, agent, act and reason, the first ten a minute are recorded one by one, and the
 * rest as one decision with a count. A caller in a loop must not be able to fill the ledger, nor to pass for many
 * callers by new processes or invented names.
 */
export function createDenialRecorder(ports: DenialPorts): DenialRecorder {
  const windows = new Map<string, Window>();

  async function perform(decision: Decision): Promise<void> {
    await ports.ledger.perform({ act: "record-decision", decision, now: ports.clock.now() });
  }

  async function write(decision: Decision): Promise<void> {
    try {
      await perform(decision).catch((thrown: unknown) => {
        if (!(thrown instanceof BrokerError && thrown.code === "LIMIT_EXCEEDED")) throw thrown;
        return perform(shortened(decision));
      });
    } catch (thrown) {
      // The caller is refused either way; that the refusal could not be recorded is for readiness and the log.
      ports.failed(thrown);
    }
  }

  async function end(key: string): Promise<void> {
    const window = windows.get(key);
    windows.delete(key);
    window?.cancel();
    if (window?.counting !== undefined) await write(window.counting);
  }

  function begin(key: string): Window {
    const [oldest] = windows.keys();
    if (windows.size >= WINDOWS_MAX && oldest !== undefined) void end(oldest);
    const cancel = ports.clock.schedule(WINDOW_MS, () => void end(key));
    const window = { recorded: 0, counting: undefined, digests: new Map(), cancel };
    windows.set(key, window);
    return window;
  }

  /** The digest of the refused caller's executable, if it can be told soon. */
  function digestOf({ digests }: Window, refusee: Refusee): Promise<string | undefined> | undefined {
    const { selectors, process, executable, uid } = refusee;
    if (process === undefined || executable === undefined || isRemote(process)) return undefined;
    // Where entries ask for digests, it is part of the attestation already.
    if (selectors !== undefined && digestIn(selectors) !== undefined) return undefined;
    const key = `${formatProcess(process)} ${executable}`;
    const made = digests.get(key) ?? ports.executableSha256?.(process, uid).catch(() => undefined);
    if (made === undefined) return undefined;
    // Kept also when this denial does not wait for it: the next of the same process has it.
    digests.set(key, made);
    const late = Promise.withResolvers<undefined>();
    const cancel = ports.clock.schedule(DIGEST_WAIT_MS, () => late.resolve(undefined));
    return Promise.race([made, late.promise]).finally(cancel);
  }

  async function named(decision: Decision, refusee: Refusee, window: Window): Promise<Decision> {
    const digest = await digestOf(window, refusee);
    const caller = refusedCaller(refusee);
    return { ...decision, caller: digest === undefined ? caller : { ...caller, executableSha256: digest } };
  }

  return {
    async record(refused, refusee) {
      const { callerEntryId, act, reason } = refused;
      const uid = refusee?.uid;
      const agent = refused.agent !== undefined && ports.isAgent(refused.agent) ? refused.agent : undefined;
      const key = JSON.stringify([uid, callerEntryId, agent, act, reason]);
      const window = windows.get(key) ?? begin(key);
      if (window.recorded < LIMITS.denialsRecordedPerMinute) {
        window.recorded += 1;
        await write(refusee === undefined ? refused : await named(refused, refusee, window));
        return refused.decisionId;
      }
      const decision = refusee === undefined ? refused : { ...refused, caller: refusedCaller(refusee) };
      window.counting = window.counting === undefined ? decision : counted(window.counting, decision);
      return window.counting.decisionId;
    },
    async flush() {
      await Promise.all([...windows.keys()].map(end));
    },
  };
}

/**
 * A denial that is larger than one event, which no denial is but by the number of policies that deny: it names as many of
 * these as there is room for, and says how many more there are. A denial that left no trace would be worse.
 */
function shortened({ determiningPolicies, policyErrors, ...decision }: Decision): Decision {
  return {
    ...decision,
    determiningPolicies: namedFirst(determiningPolicies),
    ...(policyErrors === undefined ? {} : { policyErrors: namedFirst(policyErrors) }),
  };
}

function namedFirst(names: readonly string[]): readonly string[] {
  let left: number = LIMITS.refusedPoliciesBytesMax;
  const named = names.filter((name) => {
    left -= Buffer.byteLength(name);
    return left >= 0;
  });
  return named.length === names.length ? names : [...named, `more:${names.length - named.length}`];
}

/** Counts one more denial that a decision stands for; leaves out members that are not the same in all of these. */
function counted(
  standing: Decision,
  { agent, runId, step, attempt, stepId, requested, message, caller, call }: Decision,
): Decision {
  const { agent: ofAgent, runId: ofRun, step: ofStep, attempt: ofAttempt, stepId: ofStepId, ...others } = standing;
  const { message: ofMessage, caller: ofCaller, call: ofCall, ...rest } = others;
  const isSameGrant = isSame(standing.requested, requested);
  return {
    ...rest,
    ...(ofAgent !== undefined && ofAgent === agent ? { agent } : {}),
    ...(ofRun !== undefined && ofRun === runId ? { runId } : {}),
    ...(ofStep !== undefined && ofStep === step ? { step } : {}),
    ...(ofAttempt !== undefined && ofAttempt === attempt ? { attempt } : {}),
    ...(ofStepId !== undefined && ofStepId === stepId ? { stepId } : {}),
    ...(ofMessage !== undefined && ofMessage === message ? { message } : {}),
    ...(ofCaller === undefined || caller === undefined ? {} : { caller: commonCaller(ofCaller, caller) }),
    ...(ofCall !== undefined && isSame(ofCall, call) ? { call: ofCall } : {}),
    ...(isSameGrant ? {} : { requested: [], refused: [] }),
    count: standing.count + 1,
  };
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Denials that are a decision about authority, as opposed to a call that was merely malformed or too late. */
const DECISIONS: ReadonlySet<Denial["code"]> = new Set([
  "NO_IDENTITY",
  "NOT_ENTITLED",
  "POLICY_DENIED",
  "GRANT_EXCEEDED",
  "DELEGATION_REFUSED",
  "AUDIENCE_INVALID",
  "EXECUTOR_GONE",
]);

export function isDecision(code: Denial["code"]): boolean {
  return DECISIONS.has(code);
}

/** What was refused, and to whom. */
export type Refused = Pick<
  Decision,
  "act" | "callerEntryId" | "agent" | "runId" | "step" | "attempt" | "stepId" | "call"
> & {
  readonly reason: Denial["code"];
  /** What the caller is told. */
  readonly message: string;
  /** Absent where the request asked for no element of a grant. */
  readonly requested?: Grant;
  readonly determiningPolicies?: readonly string[];
};

/** The decision that records a refusal of authority. */
export function denyOf(
  { requested = [], determiningPolicies = [], message, ...refused }: Refused,
  { clock, random }: { readonly clock: Pick<Clock, "now">; readonly random: Randomness },
): Decision {
  const now = clock.now();
  return {
    ...refused,
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    effect: "deny",
    message: refusalText(message),
    decidedAt: now,
    requested,
    granted: [],
    refused: requested,
    determiningPolicies,
    policyDigest: "",
    count: 1,
  };
}
