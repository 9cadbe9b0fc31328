// The runtime that hands a part of its step to another one; run by examples.test.ts.
import { createStint, type Grant } from "stint-sdk/runtime";

const resource = process.env["RESOURCE"] ?? "http://localhost:3000/notes";
const receiver = process.env["RECEIVER"] ?? "http://localhost:3001";
const tool = { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"] } as const;
const grant: Grant = [{ ...tool, datatypes: ["internal", "public"] }];
const passedOn: Grant = [{ ...tool, datatypes: ["public"] }];

// #region hand-over
using stint = createStint({ agent: "researcher" });

const answer = await stint.withStep({ runId: "report-7", step: "collect", grant }, async (step) => {
  const token = await step.delegationToken({
    runtime: "records", // the registration entry of the one runtime that can use it
    grant: passedOn, // the most that its child may be granted; absent: all that the step may
    uses: 1, // children
  });
  const response = await fetch(receiver, { method: "POST", body: token.token(), signal: step.signal });
  return `${response.status} ${await response.text()}`;
}); // the step is closed, and all that was delegated with it
// #endregion

process.stdout.write(`${answer}\n`);
