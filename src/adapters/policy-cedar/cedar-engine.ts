import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { PolicySet } from "../../domain/policy-set.ts";
import type { PolicyAnswer, PolicyEngine, PolicyFinding, PolicyRequest } from "../../ports/policy-engine.ts";
import { type CedarThread, type StartThread, startCedarThread } from "./cedar-thread.ts";
import { createFairQueue } from "./fair-queue.ts";
import { countQuestions } from "./questions.ts";
import { createRemembered } from "./remembered.ts";
import { type Answer, type Asked, decodeError, type FromCedar, type ToCedar } from "./thread-messages.ts";

/** Requests that wait for their turn. At a tenth of a millisecond each, the last of them waits for two seconds. */
const WAITING_MAX = 20_000;
/** Of one party, so that it can't keep out the others. */
const WAITING_OF_PARTY_MAX = 10_000;
/** Requests that go to the thread together: enough to make the passing between threads cheap, few enough to be fair. */
const TOGETHER_MAX = 64;

/** A set that somebody has loaded, or is loading, and how many hold it. */
type Held = { readonly set: PolicySet; readonly number: number; readonly loaded: Promise<void>; holds: number };

type Settle<Value> = { readonly resolve: (value: Value) => void; readonly reject: (error: BrokerError) => void };
type Told = Extract<Answer, { readonly answer: unknown }>;
type Waiting = Settle<Told> & { readonly asked: Asked };

/**
 * Policies in Cedar, asked in a thread of their own. The thread starts with the first call; when it dies, what was asked is
 * refused, and a new one starts and loads the same sets.
 */
export function createCedarEngine(start: StartThread = startCedarThread): PolicyEngine & {
  /** Has the thread load while its first caller does something else. */
  loadAhead(): void;
} {
  const sets = new Map<string, Held>();
  const remembered = createRemembered();
  const calls = new Map<number, Settle<readonly PolicyFinding[]>>();
  /** What waits while the thread answers goes to it together, with no timer. */
  const waiting = createFairQueue<Waiting>();
  let inFlight: readonly Waiting[] = [];
  let thread: CedarThread | undefined;
  let hasAnswered = false;
  let lastId = 0;
  let lastSet = 0;
  let isClosed = false;

  function started(): CedarThread {
    if (thread === undefined) {
      hasAnswered = false;
      thread = start(take, giveUp);
      // What a set is loaded for once more has been found faultless before; a failure shows where the set is asked.
      for (const [root, { set }] of sets) void call({ kind: "load", root, set }).catch(() => undefined);
    }
    return thread;
  }

  function take(message: FromCedar): void {
    hasAnswered = true;
    if (message.kind === "answers") {
      const answered = inFlight;
      inFlight = [];
      const answers = JSON.parse(message.answers) as readonly Answer[];
      for (const [position, one] of answered.entries()) settle(one, answers[position]);
      askNext();
    } else {
      const one = calls.get(message.id);
      calls.delete(message.id);
      if (message.kind === "checked") one?.resolve(message.findings);
      else one?.reject(decodeError(message.error));
    }
    thread?.keepAlive(calls.size > 0 || inFlight.length > 0);
  }

  function giveUp(cause: unknown): void {
    thread = undefined;
    refuseAll("the policy engine has failed and starts anew", cause);
    // A thread that dies before its first answer would die again: the next question tries.
    if (hasAnswered && !isClosed) started();
  }

  function refuseAll(message: string, cause?: unknown): void {
    const refused = [...inFlight, ...waiting.clear(), ...calls.values()];
    inFlight = [];
    calls.clear();
    for (const { reject } of refused) reject(new BrokerError("NOT_SERVING", message, { cause }));
  }

  function call(
    message: { kind: "check"; set: PolicySet } | { kind: "load"; root: string; set: PolicySet },
  ): Promise<readonly PolicyFinding[]> {
    return new Promise((resolve, reject) => {
      if (isClosed) return reject(closed());
      const running = started();
      lastId += 1;
      calls.set(lastId, { resolve, reject });
      running.keepAlive(true);
      running.post({ ...message, id: lastId } satisfies ToCedar);
    });
  }

  function loading(root: string, set: PolicySet): Held {
    lastSet += 1;
    return { set, number: lastSet, loaded: loadInThread(root, set), holds: 0 };
  }

  async function loadInThread(root: string, set: PolicySet): Promise<void> {
    const findings = await call({ kind: "load", root, set });
    const [first] = findings;
    if (first !== undefined) throw refusedSet(first, findings.length);
  }

  function askNext(): void {
    if (inFlight.length > 0 || waiting.size === 0) return;
    inFlight = waiting.take(TOGETHER_MAX, LIMITS.policyEvaluationsMax);
    const running = started();
    running.keepAlive(true);
    running.post({ kind: "evaluate", asked: JSON.stringify(inFlight.map(({ asked }) => asked)) });
  }

  return {
    loadAhead: () => started().keepAlive(false),
    check: (set) => call({ kind: "check", set }),
    async load(root, set) {
      const held = sets.get(root) ?? loading(root, set);
      held.holds += 1;
      sets.set(root, held);
      try {
        await held.loaded;
      } catch (thrown) {
        if (sets.get(root) === held) sets.delete(root);
        throw thrown;
      }
    },
    unload(root) {
      const held = sets.get(root);
      if (held === undefined) return;
      held.holds -= 1;
      if (held.holds > 0) return;
      sets.delete(root);
      thread?.post({ kind: "unload", root });
    },
    async evaluate(root: string, request: PolicyRequest): Promise<PolicyAnswer> {
      const questions = countQuestions(request);
      if (isClosed) throw closed();
      const number = sets.get(root)?.number;
      const known = number === undefined ? undefined : remembered.answerTo(number, request);
      if (known !== undefined) return known;
      const party = partyOf(request);
      if (waiting.size >= WAITING_MAX || waiting.sizeOf(party) >= WAITING_OF_PARTY_MAX) {
        throw new BrokerError("NOT_SERVING", "too many requests wait for the policy engine");
      }
      const { answer, lookedAt } = await new Promise<Told>((resolve, reject) => {
        waiting.add(party, { asked: { root, request }, resolve, reject }, questions);
        // In the same turn others may ask too.
        queueMicrotask(askNext);
      });
      if (number !== undefined) remembered.remember(number, request, answer, lookedAt);
      return answer;
    },
    async close() {
      isClosed = true;
      const ending = thread;
      thread = undefined;
      refuseAll(closed().message);
      await ending?.end();
    },
  };
}

/** Who has turns of its own: whoever opens steps; and all that is judged again, which comes by the thousand. */
function partyOf({ act, runtime, agent }: PolicyRequest): string {
  if (act === "judge") return "judge";
  return runtime === undefined ? `agent ${agent}` : `runtime ${runtime}`;
}

function settle({ resolve, reject }: Waiting, answer: Answer | undefined): void {
  if (answer === undefined) reject(new BrokerError("NOT_SERVING", "the policy engine gave no answer"));
  else if ("answer" in answer) resolve(answer);
  else reject(decodeError(answer.error));
}

function closed(): BrokerError {
  return new BrokerError("NOT_SERVING", "the policy engine is closed");
}

function refusedSet({ file, line, column, message }: PolicyFinding, count: number): BrokerError {
  const more = count === 1 ? "" : ` (and ${count - 1} more)`;
  return new BrokerError("INVALID_FIELD", `policies: ${file}:${line}:${column}: ${message}${more}`, {
    metadata: { field: "policies" },
  });
}
