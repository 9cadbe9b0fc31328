// A runtime that starts a program and sends it the tokens of its step; run by stdio-example.test.ts.
// #region send
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { createStint, type Grant } from "stint-sdk/runtime";

const resource = process.env["RESOURCE"] ?? "http://localhost:3000/mcp";
const [program = "./server", ...args] = process.argv.slice(2);
const grant: Grant = [
  { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];

using stint = createStint({ agent: "researcher" });

await stint.withStep({ runId: "report-7", step: "serve", grant }, async (step) => {
  // Before anything is started: an audience that is not the step's is refused here.
  const pipe = await step.credentialPipe({
    audiences: [resource], // absent: all that the step has
    onRenewalFailed: ({ audience, error }) =>
      void process.stderr.write(`no new token for ${audience}: ${error.reason}\n`),
  });
  const child = spawn(program, args, {
    stdio: ["inherit", "inherit", "inherit", "pipe"], // the fourth is descriptor 3
    env: { ...process.env, STINT_CREDENTIAL_FD: "3" },
  });
  pipe.writeTo(child.stdio[3] as Writable);
  await once(child, "exit");
});
// #endregion
