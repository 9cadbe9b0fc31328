import process from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import { Outcome, Steps } from "../../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../../src/wire/channel.ts";
import { createClient } from "../../../src/wire/client.ts";
import { startBroker } from "../broker-process.ts";
import { GRANT } from "../workload.ts";

const COLLECT = new URL("../collect-garbage.ts", import.meta.url).href;
const CONNECTIONS = 40;
const AT_ONCE = 64;
const STEPS_PER_RUN = 8;
const WARM_UP_STEPS = 512;
/** So long that the last is open before the first expires. */
const STEP_SECONDS = 890;
const LOOKS = 12;
const LOOK_MS = 500;

/** What steps that are open, and then held by a stream each, take of a daemon's heap and beside it: bytes that live, for each. */
export async function measureHeldMemory(count: number) {
  const before = process.env["NODE_OPTIONS"];
  process.env["NODE_OPTIONS"] = `${before ?? ""} --import=${COLLECT}`;
  await using broker = await startBroker();
  process.env["NODE_OPTIONS"] = before ?? "";
  const channels = Array.from({ length: CONNECTIONS }, () => openChannel(broker.socket));
  const clients = channels.map((channel) => createClient(Steps, channel));
  const expiresAt = { seconds: BigInt(Math.floor(Date.now() / 1_000) + STEP_SECONDS), nanos: 0 };

  async function forEach(steps: number, work: (client: (typeof clients)[number], at: number) => Promise<unknown>) {
    for (let from = 0; from < steps; from += AT_ONCE) {
      const part = Array.from({ length: Math.min(AT_ONCE, steps - from) }, (_, at) => from + at);
      await Promise.all(
        part.flatMap((at) => clients.slice(at % CONNECTIONS, (at % CONNECTIONS) + 1).map((one) => work(one, at))),
      );
    }
  }

  const open = async (client: (typeof clients)[number], run: string, at: number) => {
    const names = { runId: `${run}-${Math.floor(at / STEPS_PER_RUN)}`, step: `s${at % STEPS_PER_RUN}` };
    const executor = { executor: { case: "any" as const, value: {} } };
    const { step } = await client.open({ ...names, agent: "bench", grant: GRANT, executor, expiresAt });
    return step?.stepId ?? "";
  };
  await forEach(WARM_UP_STEPS, async (client, at) => {
    await client.close({ stepId: await open(client, "warm-up", at), outcome: Outcome.COMPLETED });
  });
  const none = await leastLiving(broker.metricsUrl);
  const ids: string[] = [];
  await forEach(count, async (client, at) => {
    ids[at] = await open(client, "held", at);
  });
  const opened = await leastLiving(broker.metricsUrl);
  await forEach(count, (client, at) => client.hold({ stepId: ids[at] ?? "" }).next());
  const held = await leastLiving(broker.metricsUrl);
  for (const channel of channels) channel.close();
  return { daemonOpenStepBytes: (opened - none) / count, daemonHoldBytes: (held - opened) / count };
}

/** Of several looks between collections. */
async function leastLiving(metricsUrl: string): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS; look += 1) {
    await wait(LOOK_MS);
    const text = await (await fetch(metricsUrl)).text();
    const told = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    least = Math.min(least, told("nodejs_heap_size_used_bytes") + told("nodejs_external_memory_bytes"));
  }
  return least;
}
