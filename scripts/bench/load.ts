// The load generator: a process of its own, so that its CPU is told apart from the broker's. Prints one JSON line.
import { parseArgs } from "node:util";
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
import { framed, openRawCalls } from "./raw-calls.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

const { values } = parseArgs({
  options: {
    socket: { type: "string" },
    kind: { type: "string" },
    callers: { type: "string" },
    seconds: { type: "string" },
    run: { type: "string" },
  },
});
const { socket = "", kind = "", run = "" } = values;
const callers = Number(values.callers);
const measuredMs = Number(values.seconds) * 1_000;

/** A step is issued 50 credentials a second; this many take turns, so that the limit is never met. */
const STEPS = kind === "spiffe-jwt" ? 64 : 512;
const BATCH = 32;
const WARM_UP_MS = 1_500;

const channel = openChannel(socket);
const steps = createClient(Steps, channel);
const raw = openRawCalls(socket);

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

const running = Array.from({ length: callers }, caller);
await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
process.stdout.write("measuring\n");
isMeasuring = true;
const cpu = process.cpuUsage();
const startedMs = performance.now();
await new Promise((resolve) => setTimeout(resolve, measuredMs));
isOver = true;
const wallSeconds = (performance.now() - startedMs) / 1_000;
const used = process.cpuUsage(cpu);
process.stdout.write(
  `${JSON.stringify({
    count,
    wallSeconds,
    cpuSeconds: (used.user + used.system) / 1_000_000,
    p50Ms: percentile(
      latenciesMs.sort((a, b) => a - b),
      0.5,
    ),
    p99Ms: percentile(latenciesMs, 0.99),
  })}\n`,
);
await Promise.allSettled(running);
// Or they would be the next load's too, whose process matches the same agent.
await Promise.all(leftOpen.map((stepId) => steps.close({ stepId, outcome: 1 })));
raw.close();
channel.close();
