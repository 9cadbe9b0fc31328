import { afterAll, beforeAll, expect, vi } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { type OpenedStep, OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";

export type Broker = { readonly daemon: Daemon; readonly runtime: Runtime; readonly operator: Operator };
export type Pair = { readonly a: Broker; readonly b: Broker } & AsyncDisposable;

type Given = {
  /** By which the second reaches the log; absent: as the first does. */
  readonly secondPort?: number;
  readonly entries?: readonly object[];
  /** Of both. */
  readonly config?: object;
};

/** A server for the tests of a file, and pairs of brokers, each on a log of its own; all of it is gone with the tests. */
export function pairsOnOneLog() {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs("18");
  });
  afterAll(() => logs.close());

  async function pair({ secondPort, entries = OWN_ENTRIES, config = {} }: Given = {}): Promise<Pair> {
    const { host, port, database, user, passwordFile } = (await logs.newLog()).settings;
    const configOf = (replica: string, at: number) => ({
      ...config,
      ledger: {
        reserve_bytes: 1_048_576,
        disk_free_bytes_min: 1_048_576,
        postgres: { replica, host, port: at, database, user, password_file: passwordFile, plain_on_loopback: true },
      },
    });
    const ends: (() => unknown)[] = [];
    const end = async () => {
      for (const one of ends.reverse()) await one();
    };
    async function start(replica: string, at: number): Promise<Broker> {
      const daemon = await startDaemon({ entries, config: configOf(replica, at) });
      const runtime = runtimeAt(daemon.workloadSocket);
      const operator = operatorOf(daemon.operatorSocket);
      ends.push(
        () => daemon[Symbol.asyncDispose](),
        () => runtime[Symbol.dispose](),
        () => operator[Symbol.dispose](),
      );
      return { daemon, runtime, operator };
    }
    try {
      const a = await start("a", port);
      const b = await start("b", secondPort ?? port);
      return { a, b, [Symbol.asyncDispose]: end };
    } catch (thrown) {
      await end();
      throw thrown;
    }
  }

  return { pair, port: () => logs.server.port };
}

/** Waits, within a bound, for the first look that finds this. */
export const becomes = <Value>(look: () => Promise<Value>, expected: Value) =>
  vi.waitFor(async () => expect(await look()).toBe(expected), { timeout: 40_000 });

export async function stateAt(
  { operator }: Broker,
  { stepId }: Pick<OpenedStep, "stepId">,
): Promise<string | undefined> {
  const { steps } = await operator.history.listSteps({ filter: { stepId } });
  return StepState[steps[0]?.state ?? 0];
}

/** Holds a step as its opener; ends with the returned function. */
export async function held({ runtime }: Broker, { stepId }: OpenedStep): Promise<() => void> {
  const told = runtime.steps.hold({ stepId })[Symbol.asyncIterator]();
  await told.next();
  const rest = (async () => {
    for (;;) if ((await told.next()).done === true) return;
  })();
  rest.catch(() => undefined);
  return () => void told.return?.(undefined);
}
