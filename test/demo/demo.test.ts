import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";

const DEMO = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));
/** A minute when the machine does nothing else, says the README; here it does. */
const TIMEOUT_MS = 120_000;

type Report = {
  readonly kept: number;
  readonly broken: number;
  readonly processes: number;
  readonly users: number;
  readonly acts: readonly {
    readonly title: string;
    readonly promises: readonly {
      readonly id: string;
      readonly held: boolean;
      readonly seen: string;
      readonly measured: Readonly<Record<string, string | number>>;
    }[];
  }[];
};

/** Every promise by its id: one that is no longer shown must be missed too. */
const PROMISES = [
  "opened-find",
  "opened-catalog",
  "granted-tool",
  "ungranted-tool",
  "wrong-audience",
  "close-acknowledged",
  "call-stopped",
  "retry-refused",
  "never-wider",
  "never-longer",
  "executor-only",
  "child-works",
  "ends-with-parent",
  "abandoned",
  "copied-token-refused",
  "states-recorded",
  "credentials-recorded",
  "none-live",
  "denial-explained",
  "log-clean",
];

describe("the demo", () => {
  let report: Report;

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [DEMO, "--output", "json"]).catch(
      (failed: { stdout: string; stderr: string }) => {
        // A broken promise is an exit status too; which one it was is told by the tests.
        if (failed.stdout === "") throw new Error(failed.stderr);
        return failed;
      },
    );
    report = JSON.parse(stdout) as Report;
  }, TIMEOUT_MS);

  const promiseOf = (id: string) => report.acts.flatMap(({ promises }) => promises).find((one) => one.id === id);

  test.for(PROMISES)("keeps its promise %s", (id) => {
    expect(promiseOf(id)).toMatchObject({ held: true });
  });

  test("makes no promise that is not checked here", () => {
    expect(report.acts.flatMap(({ promises }) => promises.map(({ id }) => id))).toEqual(PROMISES);
    expect(report).toMatchObject({ kept: PROMISES.length, broken: 0 });
  });

  test("sees the statuses that clients of MCP servers know", () => {
    expect(promiseOf("ungranted-tool")?.measured["status"]).toBe(403);
    expect(promiseOf("wrong-audience")?.measured["status"]).toBe(401);
    expect(promiseOf("retry-refused")?.measured["status"]).toBe(401);
    expect(promiseOf("copied-token-refused")?.measured["status"]).toBe(401);
  });

  test.runIf(process.getuid?.() === 0)("gives every role a user of its own where it may", () => {
    expect(report).toMatchObject({ processes: 6, users: 5 });
  });
});

test("the demo refuses an output format that it does not have", async () => {
  await expect(promisify(execFile)(process.execPath, [DEMO, "--output", "xml"])).rejects.toMatchObject({ code: 2 });
});
