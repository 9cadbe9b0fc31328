// The load of one client that asks many things at once: all callers of a row are on one connection of one process, each waiting for its
// answer before it asks again. Callers that are processes of their own are the generator's in Go.
import process from "node:process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { JWTSVIDRequestSchema, JWTSVIDResponseSchema } from "../../src/gen/spiffe/workload/workload_pb.js";
import {
  IssueJwtSvidRequestSchema,
  IssueJwtSvidsRequestSchema,
  IssueJwtSvidsResponseSchema,
  IssueX509SvidRequestSchema,
} from "../../src/gen/stint/v1/credentials_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { measureWhenAsked, readFlags } from "./measure-when-asked.ts";
import type { Asked, CpuSeconds, Loaded } from "./measurements.ts";
import { factsOf, machineCpuSeconds } from "./process-facts.ts";
import { framed, openRawCalls } from "./raw-calls.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

const { socket, pid, run, kind } = readFlags("kind");

/** A step is issued 50 credentials a second; this many take turns, so that the limit is never met. */
const STEPS = kind === "spiffe-jwt" ? 64 : 512;
const BATCH = 32;

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const raw = openRawCalls(socket);
const broker = factsOf(Number(pid));

const leftOpen: string[] = [];

/** One request; the answer is how many credentials it brought. */
type Act = () => Promise<number>;

async function actOf(): Promise<Act> {
  const opening = { runId: run, agent: "bench", grant: GRANT } as const;
  let number = 0;
  const named = () => {
    number += 1;
    return `s${number}`;
  };
  if (kind === "open") {
    const csrLess = { jwtSvids: [{ audiences: [AUDIENCE] }] };
    return async () => {
      const { step, jwtSvids } = await steps.open({ ...opening, step: named(), credentials: csrLess });
      if (jwtSvids[0]?.outcome.case !== "svid") throw new Error("no credential came along");
      await steps.close({ stepId: step?.stepId ?? "", outcome: 1 });
      return 1;
    };
  }
  if (kind === "open-alone") {
    return async () => {
      await steps.open({ ...opening, step: named(), executor: { executor: { case: "any", value: {} } } });
      return 1;
    };
  }
  const opened = await Promise.all(
    Array.from({ length: STEPS }, () =>
      steps.open({ ...opening, step: named(), executor: { executor: { case: "any", value: {} } } }),
    ),
  );
  const ids = opened.map(({ step }) => step?.stepId ?? "");
  leftOpen.push(...ids);
  let turn = 0;
  /** The steps take turns; what is sent for each was made before. */
  const inTurn = (method: string, encode: (stepId: string) => Uint8Array) => {
    const messages = ids.map((id) => framed(encode(id)));
    return () => {
      turn = (turn + 1) % messages.length;
      return raw.call(`/stint.v1.Credentials/${method}`, messages[turn] ?? new Uint8Array());
    };
  };
  const wanted = { audiences: [AUDIENCE] };
  switch (kind) {
    case "jwt": {
      const issue = inTurn("IssueJwtSvid", (stepId) =>
        toBinary(IssueJwtSvidRequestSchema, create(IssueJwtSvidRequestSchema, { stepId, wanted })),
      );
      return async () => {
        await issue();
        return 1;
      };
    }
    case "spiffe-jwt": {
      // One process executes at most 64 steps, and each call selects one of them.
      const ids = opened.map(({ step }) => step?.spiffeId ?? "");
      const messages = ids.map((spiffeId) =>
        framed(toBinary(JWTSVIDRequestSchema, create(JWTSVIDRequestSchema, { spiffeId, audience: [AUDIENCE] }))),
      );
      return async () => {
        turn = (turn + 1) % messages.length;
        const message = messages[turn] ?? new Uint8Array();
        const { svids } = fromBinary(JWTSVIDResponseSchema, await raw.call("/SpiffeWorkloadAPI/FetchJWTSVID", message));
        return svids.length;
      };
    }
    case "x509": {
      // One key for all: making keys is the caller's work, and the broker checks each request's proof all the same.
      const csr = certificateRequestOf(await generateKey());
      const issue = inTurn("IssueX509Svid", (stepId) =>
        toBinary(IssueX509SvidRequestSchema, create(IssueX509SvidRequestSchema, { stepId, csr })),
      );
      return async () => {
        await issue();
        return 1;
      };
    }
    case "batch": {
      const batch = Array.from({ length: BATCH }, () => wanted);
      const issue = inTurn("IssueJwtSvids", (stepId) =>
        toBinary(IssueJwtSvidsRequestSchema, create(IssueJwtSvidsRequestSchema, { stepId, wanted: batch })),
      );
      return async () => {
        const { outcomes } = fromBinary(IssueJwtSvidsResponseSchema, await issue());
        return outcomes.filter(({ outcome }) => outcome.case === "svid").length;
      };
    }
    default:
      throw new Error(`no such kind of load: ${kind}`);
  }
}

const act = await actOf();
/** Gives what was used since. */
function startCpuCount(): () => CpuSeconds {
  const before = { own: process.cpuUsage(), broker: broker.cpuSeconds(), machine: machineCpuSeconds() };
  return () => {
    const own = process.cpuUsage(before.own);
    const generator = (own.user + own.system) / 1_000_000;
    const ofBroker = broker.cpuSeconds() - before.broker;
    // They are told in ticks of different clocks, so that a difference of nothing may come out negative.
    const others = Math.max(0, machineCpuSeconds() - before.machine - ofBroker - generator);
    return { broker: ofBroker, generator, others };
  };
}

const after = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

await measureWhenAsked(async ({ callers, seconds, warmUpSeconds }: Asked["load"]): Promise<Loaded> => {
  const latenciesMs: number[] = [];
  let count = 0;
  let isMeasuring = false;
  let isOver = false;

  async function caller(): Promise<void> {
    while (!isOver) {
      const startedMs = performance.now();
      const credentialsCount = await act();
      if (!isMeasuring || isOver) continue;
      latenciesMs.push(performance.now() - startedMs);
      count += credentialsCount;
    }
  }

  const running = Promise.all(Array.from({ length: callers }, caller));
  await after(warmUpSeconds);
  isMeasuring = true;
  const cpu = startCpuCount();
  const startedMs = performance.now();
  // A rate of nothing can't be compared: on a machine that is busy, one caller may have to wait longer.
  do await after(seconds);
  while (count === 0);
  isOver = true;
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = cpu();
  await running;
  latenciesMs.sort((a, b) => a - b);
  return {
    count,
    wallSeconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    maxMs: latenciesMs.at(-1) ?? Number.NaN,
    // The first one ends the generator.
    failures: {},
    cpuSeconds,
  };
});
// Or they would be the next load's too, whose process matches the same agent.
await Promise.all(leftOpen.map((stepId) => steps.close({ stepId, outcome: 1 })));
raw.close();
channel.close();
