import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import type { Daemon } from "../../daemon.ts";
import { SEARCH } from "../../e2e/entries.ts";
import { callerWith, identityOf, startBrokerDaemon } from "../broker-scene.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../go-toolchain.ts";

describe.skipIf(goIsMissing("tests with go-spiffe's Broker API"))(
  "a runtime of go-spiffe's own making, by the published Broker API",
  () => {
    let directory = "";
    let program = "";
    let daemon: Daemon;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "stint-go-broker-"));
      program = join(directory, "runtime");
      await buildGo(import.meta.dirname, program);
      daemon = await startBrokerDaemon();
    }, GO_BUILD_MS_MAX);

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
  },
);
