import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";

const folder = import.meta.dirname;
const run = promisify(execFile);

let daemon: Daemon;
/** Says what it was brought. */
let plain: Server;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  plain = createServer((request, response) => response.end(request.headers.authorization?.slice("Bearer ".length)));
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  const resource = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const grant = [
    { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ];
  const selectors = [`unix:uid:${process.getuid?.()}`];
  daemon = await startDaemon({
    entries: [
      // The process of the tests starts every runtime here.
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"], allow_descendants: true },
      { kind: "agent", name: "researcher", selectors, ceiling: grant },
    ],
  });
  environment = {
    ...process.env,
    PATH: `${resolve(folder, "../../scripts")}${delimiter}${process.env["PATH"] ?? ""}`,
    SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}`,
    RESOURCE: resource,
    grant: JSON.stringify(grant),
  };
});

afterAll(async () => {
  plain?.close();
  await daemon?.[Symbol.asyncDispose]();
});

describe.for([
  { language: "Bash", child: ["bash", join(folder, "stdio_child.sh")] },
  { language: "Python", child: ["python3", join(folder, "stdio_child.py")] },
  { language: "Node", child: [process.execPath, fileURLToPath(new URL("./stdio-child.ts", import.meta.url))] },
])("a program in $language is sent the token that it calls with", ({ child }) => {
  test.for([
    { by: "the command line", parent: ["sh", join(folder, "stdio-step.sh")], step: "nightly/step/serve" },
    {
      by: "a runtime",
      parent: [process.execPath, fileURLToPath(new URL("./stdio-parent.ts", import.meta.url))],
      step: "report-7/step/serve",
    },
  ])("by $by", async ({ parent, step }) => {
    const [program = "", ...args] = [...parent, ...child];
    const { stdout, stderr } = await run(program, args, { env: environment });
    expect(stderr).toBe("");
    expect(decodeJwt(stdout.trim()).sub).toContain(`/run/${step}/`);
  });
});
