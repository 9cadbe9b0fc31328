import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { startBroker } from "../../scripts/bench/broker-process.ts";
import { startCallers, type Work } from "../../scripts/bench/compiled-generator.ts";
import { measureWatched } from "../../scripts/bench/inside-broker.ts";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { goIsMissing } from "../conformance/go-toolchain.ts";

const FOLDER = "scripts/bench/generator";
const isMissing = goIsMissing("the tests of the benchmark's generator");

/** Until something was done by all callers, also on a machine that has no time for them. */
const ASKED = { callers: 3, seconds: 0.4, warmUpSeconds: 0.1 };

test.skipIf(isMissing).for<Work>(["jwt", "spiffe-jwt", "x509", "open"])(
  "a load of %s is measured as often as it is asked for, with the CPU of the broker's threads, its groups and its event loop",
  async (kind) => {
    await using broker = await startBroker({ watchesEventLoop: true });
    await using callers = await startCallers(kind, broker);
    for (const count of [1, 3]) {
      const loaded = await measureWatched(callers, broker, { ...ASKED, callers: count });
      expect(loaded.failures).toEqual({});
      expect(loaded.count).toBeGreaterThan(0);
      expect(loaded.p50Ms).toBeLessThanOrEqual(loaded.p99Ms);
      expect(loaded.p99Ms).toBeLessThanOrEqual(loaded.maxMs);
      const { broker: ofBroker, threads = {}, generator } = loaded.cpuSeconds;
      expect(generator).toBeGreaterThan(0);
      expect(threads["main"]).toBeGreaterThan(0);
      expect(threads["ledger"]).toBeGreaterThan(0);
      expect(ofBroker).toBeGreaterThan(threads["main"] ?? 0);
      expect(loaded.eventsACommit).toBeGreaterThanOrEqual(1);
      expect(loaded.loopMaxMs).toBeGreaterThanOrEqual(loaded.loopP99Ms);
    }
  },
);

test.skipIf(isMissing)(
  "each caller is a process of its own that executes its own steps, and leaves none behind",
  async () => {
    await using broker = await startBroker();
    const channel = openChannel(broker.operatorSocket);
    const steps = createClient(Steps, channel);
    const open = async () => (await steps.list({ agent: "bench", states: [StepState.OPEN], pageSize: 500 })).steps;
    {
      await using callers = await startCallers("jwt", broker);
      await callers.measure(ASKED);
      const executors = (await open()).map(({ executor }) => executor?.pid);
      expect(executors).not.toContain(undefined);
      expect(new Set(executors).size).toBe(3);
    }
    expect(await open()).toEqual([]);
    channel.close();
  },
);

test.skipIf(isMissing)("what fails while it is measured is told, and counts as nothing done", async () => {
  await using broker = await startBroker();
  await using callers = await startCallers("jwt", broker);
  const { failures } = await callers.measureDuring(
    { callers: 3, warmUpSeconds: 0 },
    async () => void (await broker.restart()),
  );
  expect(Object.keys(failures).length).toBeGreaterThan(0);
});

test.skipIf(isMissing)("a kind of load that there is not is refused before anything is measured", async () => {
  await using broker = await startBroker();
  await expect(startCallers("nothing" as Work, broker)).rejects.toThrow("the load of nothing ended");
});

test.skipIf(isMissing)(
  "the generator is written as gofmt writes it, go vet finds nothing in it, and it needs what go.mod says",
  () => {
    const said = (...command: readonly string[]) =>
      execFileSync(command[0] ?? "", command.slice(1), { cwd: FOLDER }).toString();
    expect(said("gofmt", "-l", ".")).toBe("");
    expect(said("go", "vet", ".")).toBe("");
    expect(said("go", "mod", "tidy", "-diff")).toBe("");
  },
);
