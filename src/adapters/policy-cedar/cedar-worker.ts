import { setImmediate as turn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { BrokerError } from "../../domain/errors.ts";
import type { PolicySet } from "../../domain/policy-set.ts";
import type { PolicyEffect, PolicyFinding } from "../../ports/policy-engine.ts";
import { createAnswered } from "./answered.ts";
import { parseSchema } from "./cedar-library.ts";
import { checkSet } from "./check-set.ts";
import { createLoadedSet, type LoadedSet } from "./loaded-set.ts";
import { createSlices } from "./slices.ts";
import {
  type Answer,
  type Asked,
  type CedarData,
  encodeError,
  type FromCedar,
  type ToCedar,
} from "./thread-messages.ts";

const port = parentPort;
if (port === null) throw new TypeError("the policy engine's thread is not a program of its own");

const schema = parseSchema((workerData as CedarData).schema);
const slices = createSlices();
const answered = createAnswered<PolicyEffect>();
/** By root. A set that is being loaded is waited for. */
const sets = new Map<string, Promise<LoadedSet | undefined>>();
let loads = 0;

const pause = (): Promise<void> => turn(undefined);

async function load(root: string, set: PolicySet): Promise<readonly PolicyFinding[]> {
  let findings: readonly PolicyFinding[] = [];
  loads += 1;
  const name = String(loads);
  const loading = (async () => {
    const checked = await checkSet(set, schema, pause);
    findings = checked.findings;
    if (findings.length > 0) return undefined;
    return createLoadedSet(name, checked.policies, set.dataClasses, slices, answered);
  })();
  sets.set(root, loading);
  try {
    if ((await loading) === undefined) sets.delete(root);
  } catch (thrown) {
    sets.delete(root);
    throw thrown;
  }
  return findings;
}

/** Of WebAssembly; the second where the stack of JavaScript itself ran out. */
const TRAPS: readonly string[] = ["RuntimeError", "RangeError"];

/** After a trap the library's memory is not to be relied on: the thread ends, and another takes its place. */
function endOfTrap(thrown: unknown): void {
  if (thrown instanceof Error && TRAPS.includes(thrown.name)) throw thrown;
}

async function answerTo({ root, request }: Asked): Promise<Answer> {
  try {
    const set = await sets.get(root);
    if (set === undefined) throw new BrokerError("NOT_SERVING", "the policies in force are not ready to be asked");
    return set.evaluate(request);
  } catch (thrown) {
    endOfTrap(thrown);
    return { error: encodeError(thrown) };
  }
}

async function reply(message: ToCedar): Promise<FromCedar | undefined> {
  switch (message.kind) {
    case "unload":
      sets.delete(message.root);
      return undefined;
    case "evaluate": {
      const answers: Answer[] = [];
      for (const asked of JSON.parse(message.asked) as readonly Asked[]) answers.push(await answerTo(asked));
      return { kind: "answers", answers: JSON.stringify(answers) };
    }
    case "check":
    case "load":
      try {
        const findings =
          message.kind === "check"
            ? (await checkSet(message.set, schema, pause)).findings
            : await load(message.root, message.set);
        return { kind: "checked", id: message.id, findings };
      } catch (thrown) {
        endOfTrap(thrown);
        return { kind: "failed", id: message.id, error: encodeError(thrown) };
      }
  }
}

port.on("message", async (message: ToCedar) => {
  const answer = await reply(message);
  if (answer !== undefined) port.postMessage(answer);
});
