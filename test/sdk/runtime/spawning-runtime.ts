// A runtime that works in a step, with every credential that there is, and starts a child in the middle of it. What the
// child finds is written to the files that the arguments name.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { createStint, type Grant } from "../../../src/sdk/runtime/index.ts";

const [, , found = "", resource = ""] = process.argv;
const grant: Grant = [
  { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];
// A file is what the child writes to: a pipe of Node's is a socket.
const output = openSync(found, "w");
using stint = createStint({ agent: "researcher" });
const secrets = await stint.withStep({ runId: "spawning", step: "s", grant, proof: "dpop" }, async (step) => {
  const jwt = await step.jwtSvid(resource);
  const wit = await step.witSvid();
  const x509 = await step.x509Svid();
  const script = "ls -l /proc/self/fd; echo; cat /proc/self/environ /proc/$PPID/environ";
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", output, output] });
  await once(child, "exit");
  return [jwt.svid(), wit.svid(), x509.tls().key];
});
process.stdout.write(JSON.stringify(secrets));
