import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLog } from "../../../src/adapters/log-pino/log-pino.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { parseStrictText } from "../../../src/domain/strict-json.ts";

/** Every kind of line once, as a reader would take it that refuses a name twice. */
async function everyLine(): Promise<readonly (Readonly<Record<string, unknown>> | undefined)[]> {
  const directory = mkdtempSync(join(tmpdir(), "stint-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "log");
  const log = createLog({ level: "info", descriptor: openSync(file, "w") });
  log.request({
    method: "Steps.Open",
    uid: 1,
    pid: 4_242,
    caller: [],
    outcome: "OK",
    durationMs: 0.25,
    ids: { stepId: "step_1" },
  });
  log.fault("a background act failed", new BrokerError("NOT_SERVING", "not now", { detail: "because" }));
  log.warning("careful", { why: "reasons" });
  log.recurring("connection refused", { uid: 1 });
  log.info("serving", { daemonPid: 1 });
  log.fatal("the end", { why: "it ended" }, new TypeError("of a bug"));
  await log.flushed(10_000);
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => parseStrictText(line));
}

test("no line names a member twice, levels are names, and the pid of a request is its caller's", async () => {
  expect(await everyLine()).toEqual([
    expect.objectContaining({ level: "info", msg: "request", pid: 4_242, stepId: "step_1" }),
    expect.objectContaining({ level: "error", error: { name: "BrokerError", message: "not now", detail: "because" } }),
    expect.objectContaining({ level: "warn", msg: "careful", why: "reasons" }),
    expect.objectContaining({ level: "warn", msg: "connection refused", uid: 1 }),
    expect.objectContaining({ level: "info", msg: "serving", daemonPid: 1 }),
    expect.objectContaining({ level: "fatal", msg: "the end", why: "it ended" }),
  ]);
});
