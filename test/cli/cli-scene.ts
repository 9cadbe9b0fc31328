import { afterAll, beforeAll, expect } from "vitest";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Ran, runStint } from "./running.ts";

export const RESOURCE = "https://mcp.example.org";
export const tool = {
  type: "mcp_tool",
  locations: [RESOURCE],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
export const grant = JSON.stringify([tool]);
const self = [`unix:uid:${process.getuid?.()}`];

type Given = Parameters<typeof runStint>[1];

/** A broker for the tests of a file, in which this process is runtime, agent, verifier and operator, and its command line. */
export function cliScene() {
  let started: Daemon;
  beforeAll(async () => {
    started = await startDaemon({
      entries: [
        { kind: "agent", name: "researcher", selectors: self, ceiling: [tool], allow_any_executor: true },
        { kind: "runtime", name: "graph", selectors: self, agents: ["researcher"] },
        { kind: "verifier", name: "mcp-1", selectors: self, audiences: [RESOURCE], max_staleness: "15s" },
      ],
    });
  });
  afterAll(() => started[Symbol.asyncDispose]());

  const stint = (args: readonly string[], given?: Given) =>
    runStint(["--operator-socket", started.operatorSocket, "--socket", started.workloadSocket, ...args], given);
  return {
    daemon: () => started,
    stint,
    operator: (args: readonly string[], given?: Given) =>
      runStint(["--operator-socket", started.operatorSocket, ...args], given),
    /** Opens a step of its own for a test, and gives its id. */
    async openStep(run: string, more: readonly string[] = []): Promise<string> {
      const args = ["-o", "json", "step", "open", "--run", run, "--step", "search", "--agent", "researcher"];
      const opened = await data(stint([...args, "--executor", "any", "--grant", grant, ...more]));
      return String(opened["step_id"]);
    },
    /** One JWT-SVID and one X.509-SVID of the step. */
    async issueBoth(stepId: string): Promise<void> {
      const channel = openChannel(started.workloadSocket);
      const credentials = createClient(Credentials, channel);
      try {
        await credentials.issueJwtSvid({ stepId, wanted: { audiences: [RESOURCE] } });
        await credentials.issueX509Svid({ stepId, csr: certificateRequestOf(await generateKey()) });
      } finally {
        channel.close();
      }
    },
  };
}

/** The data of a command that has to succeed. */
export async function data(ran: Promise<Ran>): Promise<Record<string, unknown> & Record<string, unknown>[]> {
  const { status, out, err } = await ran;
  expect([status, err]).toEqual([0, err]);
  return JSON.parse(out) as never;
}
