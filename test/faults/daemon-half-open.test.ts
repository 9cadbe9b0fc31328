import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, isFault } from "../daemon.ts";
import { amountOf } from "./amounts.ts";
import { descriptorsOf, peakBytesOf } from "./daemon-process.ts";
import { issueJwt, openStep, READY, readiness, sessionWith, startOwnDaemon, stateOf } from "./daemon-scene.ts";

const CONNECTIONS = amountOf("STINT_HALF_OPEN_CONNECTIONS", { quick: 4, full: 64 });
const STREAMS = amountOf("STINT_HALF_OPEN_STREAMS", { quick: 250, full: 1_000 });
/** Whether it is waited until the broker has ended them, for which it takes its time: 20 to 40 s. */
const isWaitedFor = amountOf("STINT_HALF_OPEN_ENDED", { quick: 0, full: 1 }) > 0;
const KIBIBYTE = 1_024;

/** A connection of which each stream has begun a message that does not end. */
async function halfOpen({ workloadSocket }: Daemon, path: string, ended: () => void): Promise<ClientHttp2Session> {
  const session = connectHttp2("http://localhost", { createConnection: () => connect(workloadSocket) });
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  const headers = {
    ":method": "POST",
    "content-type": "application/grpc",
    "workload.spiffe.io": "true",
    te: "trailers",
  };
  for (let opened = 0; opened < STREAMS; opened += 1) {
    const stream = session.request({ ...headers, ":path": path });
    stream.on("error", () => undefined);
    stream.resume().once("close", ended);
    // Of the five bytes that say how long a message is.
    stream.write(Buffer.from([0, 0, 0]));
  }
  // What is before it in the connection has been read, once this is answered.
  await new Promise((resolve) => session.ping(resolve));
  return session;
}

test(`beside ${CONNECTIONS * STREAMS} streams that begin a message and never end it everybody else is served`, {
  timeout: 180_000,
}, async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "witness");
  await issueJwt(session, stepId);
  expect([await stateOf(session, stepId), await readiness(daemon)]).toEqual([StepState.OPEN, READY]);
  const before = { descriptors: descriptorsOf(daemon), peakBytes: peakBytesOf(daemon) };

  const attackers: ClientHttp2Session[] = [];
  let ended = 0;
  const count = () => {
    ended += 1;
  };
  for (const path of ["/stint.v1.Steps/Get", "/stint.v1.Revocations/Watch"]) {
    const of = Array.from({ length: CONNECTIONS / 2 }, () => halfOpen(daemon, path, count));
    attackers.push(...(await Promise.all(of)));
  }
  for (let asked = 0; asked < 20; asked += 1) expect(await issueJwt(session, stepId)).toMatch(/^eyJ/);
  const costBytes = (peakBytesOf(daemon) - before.peakBytes) / CONNECTIONS / STREAMS;
  process.stdout.write(`${CONNECTIONS * STREAMS} half-open streams: ${(costBytes / KIBIBYTE).toFixed(1)} KiB each\n`);
  if (isWaitedFor) {
    while (ended < CONNECTIONS * STREAMS) expect(await stateOf(session, stepId)).toBe(StepState.OPEN);
    expect(attackers.every((one) => !one.closed)).toBe(true);
  }
  for (const one of attackers) one.destroy();
  await eventually(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before.descriptors);
  expect(await readiness(daemon)).toEqual(READY);
  expect(daemon.log.filter(isFault)).toEqual([]);
});
