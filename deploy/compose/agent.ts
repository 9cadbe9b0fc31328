// An agent that does one step of a run by the command line of Stint, and then tries what somebody would who had copied its credential. Exits
// with 0 where each answer is the one that it should be.
import { execFileSync } from "node:child_process";

const GUARD = "http://127.0.0.1:3000/mcp";
const SERVER = "http://127.0.0.1:9000/mcp";
const GRANT = [
  { type: "mcp_tool", locations: [GUARD], identifier: "search", actions: ["read"], datatypes: ["public"] },
];

type Opened = { readonly step_id: string; readonly spiffe_id: string };
type Closed = { readonly receipts: { readonly applied: number; readonly expected: number } };
type Answer = {
  readonly result?: { readonly content: readonly { readonly text: string }[] };
  readonly error?: { readonly data?: { readonly reason?: string } };
};

let isAsExpected = true;

function stint(...args: readonly string[]): string {
  return execFileSync("stint", args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}

function stintJson<Data>(...args: readonly string[]): Data {
  return JSON.parse(stint("--output", "jsonl", ...args)) as Data;
}

/** Calls a tool, and prints what became of it. */
async function call(what: string, url: string, tool: string, token: string | undefined, expected: string) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: tool, arguments: { query: "tides" } },
    }),
  });
  const body = await response.text();
  const { result, error }: Answer = body === "" ? {} : JSON.parse(body);
  const said = result?.content[0]?.text ?? error?.data?.reason ?? "";
  const answer = `${response.status} ${said}`.trim();
  isAsExpected &&= answer === expected;
  say(what, answer === expected ? answer : `${answer}, which should be: ${expected}`);
}

function say(what: string, became: string): void {
  process.stdout.write(`${what.padEnd(42)} ${became}\n`);
}

await call("search at the server, without its key", SERVER, "search", undefined, "401");
await call("search at the guard, without a step", GUARD, "search", undefined, "401 TOKEN_MISSING");

const step = stintJson<Opened>(
  ...["step", "open", "--run", "trial", "--step", "look-up", "--agent", "researcher"],
  ...["--grant", JSON.stringify(GRANT), "--executor", `tree:${process.pid}`],
);
say("a step is opened, to search", step.spiffe_id);
const token = stint("svid", "jwt", "--step-id", step.step_id, "--audience", GUARD);
await call("search, as the step", GUARD, "search", token, "200 3 papers on tides");
await call("erase, which it was not granted", GUARD, "erase", token, "403 GRANT_EXCEEDED");
await call("search at the server, by the same token", SERVER, "search", token, "401");

const { receipts } = stintJson<Closed>("step", "close", step.step_id, "--await-receipts", "10s");
isAsExpected &&= receipts.applied === 1 && receipts.expected === 1;
say("the step is closed", `applied by ${receipts.applied} of ${receipts.expected} verifiers`);
const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { readonly exp: number };
const seconds = Math.floor(exp - Date.now() / 1_000);
await call(`search again: the token has ${seconds} s left`, GUARD, "search", token, "401 STEP_CLOSED");

process.exitCode = isAsExpected ? 0 : 1;
