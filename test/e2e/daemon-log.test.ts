import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseStrictText } from "../../src/domain/strict-json.ts";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { OWN_ENTRIES, openStep, sessionWith } from "../faults/daemon-scene.ts";

let daemon: Daemon;

beforeAll(async () => {
  daemon = await startDaemon({ entries: OWN_ENTRIES });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const told = (of: Daemon, msg: string) => of.log.filter((line) => line.msg === msg);

test("the log tells of keys made and put to use, of entries, and of steps that end by themselves", async () => {
  const session = sessionWith(daemon);
  for (const family of ["x509-svid", "jwt-svid", "wit-svid"]) {
    expect(told(daemon, "a key signs from now on")).toContainEqual(expect.objectContaining({ family, level: "info" }));
  }
  expect(told(daemon, "an entry was registered or changed").map(({ entry }) => entry)).toContain("agent/worker");

  const leased = await openStep(session, "leased", { lease: { seconds: 1n, nanos: 0 } });
  const short = await openStep(session, "short", {
    expiresAt: { seconds: BigInt(Math.ceil(Date.now() / 1_000) + 11), nanos: 0 },
  });
  await eventually(() => told(daemon, "a step was abandoned")).toMatchObject([
    { stepId: leased.stepId, cause: "lease" },
  ]);
  await eventually(() => told(daemon, "a step expired")).toMatchObject([{ stepId: short.stepId, cause: "expiry" }]);

  const { authority } = await session.operator.authorities.prepare({ kind: SvidKind.JWT });
  const { authorityId } = authority ?? {};
  await session.operator.authorities.activate({ authorityId: authorityId ?? "", now: true });
  await eventually(() => told(daemon, "a key was made; it does not sign yet")).toMatchObject([{ authorityId }]);
  await eventually(() => told(daemon, "a key signs from now on").at(-1)).toMatchObject({ authorityId });
  expect(daemon.log.map(({ msg }) => String(msg).split(":")[0])).toContain("a key was replaced");
});

test("a key that is missing at the start is told of, by its id, and replaced", async () => {
  await using first = await startDaemon({ entries: OWN_ENTRIES });
  await first.stop();
  const keys = join(first.directory, "data", "keys");
  for (const name of readdirSync(keys)) rmSync(join(keys, name), { recursive: true });
  await using second = await first.restart();
  const missing = told(second, "a key is missing, and is replaced");
  expect(new Set(missing.map(({ family }) => family))).toEqual(
    new Set(["x509-svid", "jwt-svid", "wit-svid", "txn-token"]),
  );
  const made = told(first, "a key signs from now on").map((line) => line["authorityId"]);
  expect(missing.map((line) => line["authorityId"]).sort()).toEqual(made.sort());
});

test("an error that nobody caught ends the daemon with a line of the log, and nothing that is none", async () => {
  const planted = 'process.on("SIGUSR2", () => { throw new TypeError("planted"); });';
  await using doomed = await startDaemon({
    entries: OWN_ENTRIES,
    environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(planted)}` },
  });
  const closed = once(doomed.child, "close");
  doomed.child.kill("SIGUSR2");
  expect(await closed).toEqual([1, null]);
  await eventually(() => doomed.log.at(-1)).toMatchObject({
    level: "fatal",
    error: { name: "TypeError", message: "planted" },
  });
  for (const line of doomed.stderr().trimEnd().split("\n")) expect(parseStrictText(line), line).toBeDefined();
});

test("every line is JSON that names nothing twice, with the level by its name", () => {
  const lines = daemon.stderr().trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    expect(parseStrictText(line), line).toMatchObject({ level: expect.stringMatching(/^(info|warn|error|fatal)$/) });
  }
});
