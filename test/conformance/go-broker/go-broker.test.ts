import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import type { Daemon } from "../../daemon.ts";
import { SEARCH } from "../../e2e/entries.ts";
import { callerWith, identityOf, startBrokerDaemon } from "../broker-scene.ts";

/** Time to download and compile, once for a machine; afterwards it is in Go's caches. */
const BUILD_MS_MAX = 300_000;

function goIsMissing(): boolean {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
    return false;
  } catch {
    if (process.env["CI"] === "true") throw new Error("CI tests with go-spiffe, and Go is not there");
    process.stderr.write("tests with go-spiffe's Broker API are skipped: go is not there\n");
    return true;
  }
}

describe.skipIf(goIsMissing())("a runtime of go-spiffe's own making, by the published Broker API", () => {
  let directory = "";
  let program = "";
  let daemon: Daemon;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "stint-go-broker-"));
    program = join(directory, "runtime");
    await promisify(execFile)("go", ["build", "-trimpath", "-o", program, "."], { cwd: import.meta.dirname });
    daemon = await startBrokerDaemon();
  }, BUILD_MS_MAX);

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test.for([
    { over: "unix", target: () => `unix://${join(daemon.directory, "broker.sock")}` },
    { over: "tcp", target: () => `127.0.0.1:${daemon.brokerPort}` },
  ] as const)(
    "over $over it has the step's SVIDs while the step is open, and is told of its end",
    async ({ target }) => {
      using runtime = callerWith(daemon, await identityOf(daemon));
      const step = await runtime.open();
      const { runId = "", step: name = "", attempt = 0 } = step.name ?? {};
      const child = spawn(
        program,
        [target(), "runtime/flow", "spiffe://example.org/stint/server", SEARCH, runId, name, String(attempt)],
        {
          env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}` },
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      onTestFinished(() => void child.kill("SIGKILL"));
      const events: Record<string, string>[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        const event = JSON.parse(line) as Record<string, string>;
        events.push(event);
        if (event["event"] === "x509") await runtime.steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
      }
      const [jwt, x509, end] = events;
      expect(jwt).toMatchObject({ event: "jwt", spiffeId: step.spiffeId });
      expect(decodeJwt(jwt?.["token"] ?? "")).toMatchObject({ aud: [SEARCH], step_id: step.stepId });
      expect(x509).toEqual({ event: "x509", spiffeId: step.spiffeId, hint: `${runId}/${name}/${attempt}` });
      expect(end).toEqual({ event: "end", code: "NotFound", reason: "WORKLOAD_NOT_FOUND", domain: "spiffe.io" });
      expect(events).toHaveLength(3);
    },
  );
});
