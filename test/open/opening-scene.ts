import { onTestFinished } from "vitest";
import { openMemoryLedger } from "../../src/adapters/ledger-sqlite/memory-ledger.ts";
import { memorySigner } from "../../src/adapters/signer-memory/signer-memory.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { virtualClock } from "../../src/adapters/system/virtual-clock.ts";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { OPERATOR, startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel, type SimulatedProcess } from "../simulation/kernel.ts";

export const MCP = "https://mcp.example.org";
export const FILES = "https://files.example.org";

const UID = { runtime: 11, agent: 31, operator: 51 } as const;

/** A broker with a runtime, an agent and an operator that may administer; all of it real but the clock and the kernel. */
export async function openingScene() {
  const clock = virtualClock(1_795_341_600 as UnixSeconds);
  const random = systemRandomness();
  const kernel = createKernel();
  const store = await openMemoryLedger({ clock, randomness: random });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random });
  const failures: unknown[] = [];
  let beforeSigning: () => Promise<unknown> = async () => undefined;
  const signSvid: Signer["signSvid"] = async (recorded) => {
    await beforeSigning();
    return signer.signSvid(recorded);
  };
  const broker = await startBroker({
    store,
    signer: { ...signer, signSvid },
    kernel,
    clock,
    random,
    failed: (error) => void failures.push(error),
  });
  onTestFinished(async () => {
    broker.stop();
    await store.close();
  });

  const enter = async (content: EntryContentInput) =>
    (await broker.registry.create(parseEntryContent(content), "api", OPERATOR)).entry;
  await enter({ kind: "runtime", name: "flow", selectors: [`unix:uid:${UID.runtime}`], agents: ["worker"] });
  await enter({ kind: "operator", name: "alice", selectors: [`unix:uid:${UID.operator}`], role: "admin" });
  await enter({
    kind: "agent",
    name: "worker",
    selectors: [`unix:uid:${UID.agent}`],
    ceiling: [],
    audiences: [MCP, FILES],
    allowAnyExecutor: true,
    allowMultipleAudiences: true,
  });
  let runs = 0;

  return {
    clock,
    kernel,
    store,
    broker,
    failures,
    runtime: kernel.start(UID.runtime),
    agent: kernel.start(UID.agent),
    operator: kernel.start(UID.operator),
    /** A step of the agent for any of its processes, in a run of its own unless told otherwise. */
    async open(by: SimulatedProcess, own: Partial<OpenRequest> = {}) {
      runs += 1;
      const { step } = await broker.open(by, {
        runId: parseSegment(`run-${runs}`, "run_id"),
        step: parseSegment("search", "step"),
        agent: parseSegment("worker", "agent"),
        grant: [],
        audiences: [MCP, FILES],
        executor: { kind: "any" },
        allowPartial: false,
        ...own,
      });
      return step;
    },
    /** What happens between the row of a credential and its signature. */
    beforeSigning(happens: () => Promise<unknown>): void {
      beforeSigning = happens;
    },
  };
}
