import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { WatchRequestSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, isFault } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { watchFeed } from "../e2e/feed-watch.ts";
import { amountOf } from "./amounts.ts";
import { descriptorsOf } from "./daemon-process.ts";
import {
  closeStep,
  issueJwt,
  openStep,
  READY,
  readiness,
  type Session,
  sessionWith,
  startOwnDaemon,
} from "./daemon-scene.ts";

// Goal: watchers that are slow, hung or gone cost nobody who watches anything, and closes nothing; and those who come round know all.

const CLOSES = amountOf("STINT_WATCHED_CLOSES", { quick: 20, full: 2_000 });
const OF_EACH = 5;
const WATCHER = fileURLToPath(new URL("../e2e/watcher-child.ts", import.meta.url));

type WatcherProcess = { readonly child: ChildProcess; readonly denied: Set<string> };

/** A process that watches, and notes which steps it was told are over. */
async function watcherProcess({ workloadSocket }: Daemon): Promise<WatcherProcess> {
  const child = spawn(process.execPath, [WATCHER, workloadSocket, JSON.stringify([SEARCH])], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const denied = new Set<string>();
  const ready = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { snapshot, denied: told } = JSON.parse(line).message ?? {};
    for (const one of [...(snapshot?.denials ?? []), ...(told?.denials ?? [])]) denied.add(one.step?.stepId ?? "");
    if (snapshot?.last === true) ready.resolve();
  });
  await ready.promise;
  return { child, denied };
}

/** A stream of the feed of which a few bytes are taken now and then. */
function slowWatcher({ workloadSocket }: Daemon): void {
  const session = connectHttp2("http://localhost", {
    createConnection: () => connect(workloadSocket),
    settings: { initialWindowSize: 64 },
  });
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/stint.v1.Revocations/Watch",
    "content-type": "application/grpc",
    "workload.spiffe.io": "true",
    te: "trailers",
  });
  const hello = create(WatchRequestSchema, { message: { case: "hello", value: { audiences: [SEARCH] } } });
  const bytes = toBinary(WatchRequestSchema, hello);
  stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), bytes]));
  stream.on("error", () => undefined);
  stream.on("data", () => {
    stream.pause();
    setTimeout(() => stream.resume(), 20);
  });
}

/** Opens and closes steps, each with a credential; gives how long the watcher took to hear of each. */
async function closeMany(session: Session, watching: ReturnType<typeof watchFeed>, name: string, count: number) {
  const closed: string[] = [];
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const { stepId } = await openStep(session, `${name}-${index}`);
    await issueJwt(session, stepId);
    const from = performance.now();
    expect(await closeStep(session, stepId)).toMatchObject({ credentialsRevoked: 1 });
    await watching.denied(stepId);
    times.push(performance.now() - from);
    closed.push(stepId);
  }
  times.sort((a, b) => a - b);
  return {
    closed,
    text: `${times[Math.floor(count / 2)]?.toFixed(1)} ms (median), ${times.at(-1)?.toFixed(1)} ms (longest)`,
  };
}

test("slow, hung and vanished watchers cost neither closes nor other watchers anything, and who comes round knows all", {
  timeout: 60_000 + CLOSES * 100,
}, async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const channel = openChannel(daemon.workloadSocket);
  onTestFinished(() => channel.close());
  const watching = watchFeed(channel, { audiences: [SEARCH] });
  await watching.first("snapshot", ({ last }) => last);
  const alone = await closeMany(session, watching, "alone", CLOSES);

  const pids = new Set<number | undefined>();
  const connected = async () => {
    const { verifiers } = await session.operator.history.listVerifiers({});
    return verifiers.filter((one) => one.connected && pids.has(one.process?.pid)).length;
  };
  expect([await connected(), await readiness(daemon)]).toEqual([0, READY]);
  const before = descriptorsOf(daemon);

  const hung = await Promise.all(Array.from({ length: OF_EACH }, () => watcherProcess(daemon)));
  const vanishing = await Promise.all(Array.from({ length: OF_EACH }, () => watcherProcess(daemon)));
  for (let index = 0; index < OF_EACH; index += 1) slowWatcher(daemon);
  for (const { child } of [...hung, ...vanishing]) pids.add(child.pid);
  await eventually(connected).toBe(2 * OF_EACH);

  for (const { child } of hung) child.kill("SIGSTOP");
  for (const { child } of vanishing) child.kill("SIGKILL");
  const beside = await closeMany(session, watching, "beside", CLOSES);
  await eventually(connected).toBe(OF_EACH);
  expect(await readiness(daemon)).toEqual(READY);

  for (const { child } of hung) child.kill("SIGCONT");
  for (const { denied } of hung) {
    await eventually(() => beside.closed.filter((stepId) => !denied.has(stepId))).toEqual([]);
  }
  for (const { child } of hung) {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  await eventually(connected).toBe(0);
  // The slow ones are there still: of each, its socket and two descriptors of its process.
  await eventually(() => descriptorsOf(daemon)).toBeLessThanOrEqual(before + 3 * OF_EACH);
  expect(daemon.log.filter(isFault)).toEqual([]);
  process.stdout.write(
    `${CLOSES} closes until they were heard: alone ${alone.text}; beside ${3 * OF_EACH} bad watchers ${beside.text}\n`,
  );
});
