import type { Exchange, ExchangeState } from "../../src/gen/stint/v1/types_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { type Operator, operatorOf } from "../e2e/operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];

export const AUDIENCE = "https://elsewhere.example";
/** Longer than another system takes for an end. */
const AWAITED = { seconds: 20n };

/** A broker with other systems, and this process as the runtime and executor of its steps. */
export type ExchangeScene = {
  daemon(): Daemon;
  runtime(): Runtime;
  operator(): Operator;
  /** Opens a step of a run of its own. */
  open(
    agent?: string,
    audiences?: readonly string[],
    more?: object,
  ): Promise<{ stepId: string; runId: string; expiresAtSeconds: number }>;
  exchange(stepId: string, target: string, requestId?: string): ReturnType<Runtime["credentials"]["exchange"]>;
  /** Closes the step as completed, and waits until what can be ended is ended. */
  close(stepId: string): ReturnType<Runtime["steps"]["close"]>;
  exchangesOf(stepId: string): Promise<readonly Exchange[]>;
  /** Resolves with the newest exchange of the step once it is in a state. */
  inState(stepId: string, state: ExchangeState): Promise<Exchange>;
  /** With the same data, in a new process. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * Agents `researcher` and `other` trade tokens for `AUDIENCE`; `identified` has it without trading any.
 *
 * @param config - as of `startDaemon`; its exchanges are those of the broker.
 */
export async function openExchangeScene(
  config: (directory: string) => Readonly<Record<string, unknown>>,
): Promise<ExchangeScene> {
  const audiences = [AUDIENCE];
  let daemon = await startDaemon({
    entries: [
      {
        kind: "agent",
        name: "researcher",
        selectors,
        audiences,
        exchange_audiences: audiences,
        step_duration_max: "1h",
      },
      { kind: "agent", name: "other", selectors, audiences, exchange_audiences: audiences },
      { kind: "agent", name: "identified", selectors, audiences },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher", "other", "identified"] },
      { kind: "operator", name: "admin", selectors, role: "admin" },
    ],
    config,
  });
  let runtime = runtimeAt(daemon.workloadSocket);
  let operator = operatorOf(daemon.operatorSocket);
  let runs = 0;
  let requests = 0;

  async function exchangesOf(stepId: string): Promise<readonly Exchange[]> {
    return (await operator.history.listExchanges({ filter: { stepId } })).exchanges;
  }

  return {
    daemon: () => daemon,
    runtime: () => runtime,
    operator: () => operator,
    async open(agent = "researcher", named = audiences, more = {}) {
      runs += 1;
      const { step } = await runtime.steps.open({
        runId: `run-${runs}`,
        step: "deploy",
        agent,
        audiences: [...named],
        ...more,
      });
      if (step === undefined) throw new TypeError("no step in the answer");
      const { stepId, name, expiresAt } = step;
      return { stepId, runId: name?.runId ?? "", expiresAtSeconds: Number(expiresAt?.seconds) };
    },
    exchange(stepId, target, requestId) {
      requests += 1;
      return runtime.credentials.exchange({ stepId, target, requestId: requestId ?? `request-${requests}` });
    },
    close: (stepId) => runtime.steps.close({ stepId, outcome: 1, awaitReceipts: AWAITED }),
    exchangesOf,
    async inState(stepId, state) {
      for await (const { event } of operator.history.tailEvents({ afterSequence: 0n })) {
        if (event?.type.startsWith("exchange.") !== true) continue;
        const [found] = await exchangesOf(stepId);
        if (found?.state === state) return found;
      }
      throw new TypeError("the events are over");
    },
    async restart() {
      runtime[Symbol.dispose]();
      operator[Symbol.dispose]();
      daemon = await daemon.restart();
      runtime = runtimeAt(daemon.workloadSocket);
      operator = operatorOf(daemon.operatorSocket);
    },
    async [Symbol.asyncDispose]() {
      runtime[Symbol.dispose]();
      operator[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}
