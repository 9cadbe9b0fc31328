import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH, UID } from "./entries.ts";
import { isOfStep, watchFeed } from "./feed-watch.ts";
import { OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

const WATCHER = fileURLToPath(new URL("watcher-child.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write("watchers.test.ts: partly skipped, it needs root to start processes of several users\n");

test("a hundred watchers all learn of every close, in the ledger's order", async () => {
  await using daemon = await startDaemon({ entries: OWN_ENTRIES });
  using runtime = runtimeAt(daemon.workloadSocket);
  const channels = Array.from({ length: 5 }, () => openChannel(daemon.workloadSocket));
  onTestFinished(() => channels.forEach((one) => void one.close()));
  const watches = channels.flatMap((channel) =>
    Array.from({ length: 20 }, () => watchFeed(channel, { audiences: [SEARCH] })),
  );
  await Promise.all(watches.map((one) => one.first("snapshot", ({ last }) => last)));
  const steps = await Promise.all(Array.from({ length: 30 }, () => runtime.open()));
  await Promise.all(steps.map((step) => runtime.close(step)));
  await Promise.all(watches.map((one) => one.ping()));

  const learned = watches.map((one) => one.all("denied").flatMap(({ denials }) => denials));
  for (const { stepId } of steps) expect(learned[0]?.some((one) => isOfStep(one, stepId))).toBe(true);
  const sequences = learned.map((one) => one.map(({ sequence }) => sequence));
  expect(sequences[0]).toEqual(sequences[0]?.toSorted((a, b) => Number(a - b)));
  for (const one of sequences) expect(one).toEqual(sequences[0]);
});

test("no more watch than the configuration says, and one that leaves makes room", async () => {
  await using daemon = await startDaemon({ entries: OWN_ENTRIES, config: { limits: { watchers: 2 } } });
  const channel = openChannel(daemon.workloadSocket);
  onTestFinished(() => channel.close());
  const silent = Array.from({ length: 4 }, () => watchFeed(channel, null));
  const [one, two] = [watchFeed(channel, {}), watchFeed(channel, {})];
  await Promise.all([one.first("snapshot"), two.first("snapshot")]);
  expect(await watchFeed(channel, {}).failure()).toMatchObject({ reason: "LIMIT_EXCEEDED" });
  await two.ping();
  one.cancel();
  await expect.poll(() => tryToWatch(channel)).toBe("watches");
  for (const each of silent) each.cancel();
});

async function tryToWatch(channel: Parameters<typeof watchFeed>[0]): Promise<string | undefined> {
  const watching = watchFeed(channel, {});
  return watching.first("snapshot").then(
    () => "watches",
    () => watching.ended?.reason,
  );
}

describe.skipIf(!isRoot)("who watches is what the kernel says", () => {
  let daemon: Daemon;
  let own: Runtime;
  let other: Caller;

  beforeAll(async () => {
    const selectors = [`unix:uid:${UID.otherRuntime}`];
    daemon = await startDaemon({
      entries: [
        ...OWN_ENTRIES,
        { kind: "agent", name: "inline", selectors, ceiling: [READ_SEARCH] },
        { kind: "runtime", name: "other", selectors, agents: ["inline"] },
        { kind: "agent", name: "lonely", selectors: [`unix:uid:${UID.agent}`], ceiling: [READ_SEARCH] },
      ],
    });
    own = runtimeAt(daemon.workloadSocket);
    other = await callerAs({ uid: UID.otherRuntime }, daemon.workloadSocket);
  });
  afterAll(async () => {
    own?.[Symbol.dispose]();
    await other?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  test("a runtime is sent the ends of its own runs and of nobody else's, whatever audience it asks for", async () => {
    await using watcher = watcherAs(UID.otherRuntime, daemon.workloadSocket, [SEARCH]);
    await watcher.next("snapshot");
    const { step } = await other.call("Steps", "open", {
      runId: "run-of-the-other",
      step: "s",
      agent: "inline",
      grant: { elements: [READ_SEARCH] },
      credentials: { jwtSvids: [{ audiences: [SEARCH] }] },
    });
    const mine = await own.open();
    await own.close(mine);
    await other.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" });
    expect(await watcher.next("denied")).toMatchObject({ denials: [{ step: { stepId: step.stepId } }] });
    watcher.ping();
    await watcher.next("pong");
    expect(watcher.seen()).not.toContain(mine.stepId);
  });

  test.for([
    { who: "an agent", uid: UID.agent, reason: "NOT_ENTITLED" },
    { who: "somebody without an entry", uid: UID.stranger, reason: "NO_IDENTITY" },
  ])("$who watches nothing", async ({ uid, reason }) => {
    await using watcher = watcherAs(uid, daemon.workloadSocket);
    expect(await watcher.next("error")).toMatchObject({ code: "PERMISSION_DENIED", reason });
    expect(watcher.seen()).not.toContain("message");
  });
});

describe("a broker whose data went back in time", () => {
  test("is found out by a watcher's cursor, issues nothing until an operator accepts it, and then has new keys", async () => {
    await using first = await startDaemon({ entries: OWN_ENTRIES });
    const data = join(first.directory, "data");
    const backup = join(first.directory, "backup");
    await first.stop();
    execFileSync("cp", ["--archive", data, backup]);

    const second = await first.restart();
    using runtime = runtimeAt(second.workloadSocket);
    const channel = openChannel(second.workloadSocket);
    onTestFinished(() => channel.close());
    const watching = watchFeed(channel, { audiences: [SEARCH] });
    const lost = await runtime.open();
    await runtime.close(lost);
    const { cursor } = await watching.ping();
    await second.stop();
    rmSync(data, { recursive: true });
    execFileSync("cp", ["--archive", backup, data]);

    await using third = await first.restart();
    using operator = operatorOf(third.operatorSocket);
    using back = runtimeAt(third.workloadSocket);
    const feed = openChannel(third.workloadSocket);
    onTestFinished(() => feed.close());
    // Everything in the directory agrees with itself: only somebody outside can know better.
    const kept = await back.open();
    const refusal = { reason: "NOT_SERVING" };
    expect(await watchFeed(feed, { cursor, audiences: [SEARCH] }).failure()).toMatchObject(refusal);
    await expect(back.open()).rejects.toMatchObject(refusal);
    await expect(back.token(kept, SEARCH)).rejects.toMatchObject(refusal);
    expect(await operator.ledger.get({})).toMatchObject({ suspendedBecause: [expect.stringContaining("sequence")] });

    const fresh = watchFeed(feed, { audiences: [SEARCH] });
    const before = keysOf(await fresh.first("bundle"));
    expect(await operator.ledger.acceptRestore({ reason: "a disk was replaced" })).toMatchObject({ stepsClosed: 1 });
    expect(await fresh.denied(kept.stepId)).toMatchObject({ state: StepState.REVOKED });
    const after = keysOf(
      await fresh.first("bundle", (bundle) => {
        const keys = keysOf(bundle);
        return keys.length === before.length && !keys.some((key) => before.includes(key));
      }),
    );

    // The cursor is of an epoch that is over.
    const again = watchFeed(feed, { cursor, audiences: [SEARCH] });
    await again.first("snapshot", ({ last }) => last);
    const { token } = await back.open();
    expect(after).toContain(decodeProtectedHeader(token).kid);
  });
});

function keysOf({ jwks }: { readonly jwks: Uint8Array }): readonly string[] {
  const { keys } = JSON.parse(Buffer.from(jwks).toString()) as { keys: { kid?: string; x: string }[] };
  return keys.map(({ kid, x }) => kid ?? x);
}

/** A process of another user that watches. */
function watcherAs(uid: number, socket: string, audiences: readonly string[] = []) {
  const command = [WATCHER, socket, JSON.stringify(audiences)];
  const child: ChildProcess = spawn(process.execPath, command, { uid, gid: uid, stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines: string[] = [];
  let wake = Promise.withResolvers<void>();
  if (child.stdout === null) throw new TypeError("no standard output");
  const output = createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    wake.resolve();
  });
  let isOver = false;
  output.on("close", () => {
    isOver = true;
    wake.resolve();
  });
  let read = 0;
  return {
    seen: () => lines.join("\n"),
    ping: () => void child.stdin?.write("\n"),
    /** The next message of a kind, those before it being passed over. */
    async next(name: string): Promise<Answer> {
      for (;;) {
        while (read < lines.length) {
          const line = JSON.parse(lines[read] ?? "");
          read += 1;
          const value = name === "error" ? line.error : line.message?.[name];
          if (value !== undefined) return value;
        }
        if (isOver) throw new Error(`the watcher ended without ${name}`);
        await wake.promise;
        wake = Promise.withResolvers();
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
