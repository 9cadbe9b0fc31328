import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CallError, connectOperator, EntryOrigin, everyPage, type Operator } from "../../../src/sdk/operator/index.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";

let daemon: Daemon;
beforeAll(async () => {
  const verifier = (name: string) => ({
    kind: "verifier",
    name,
    selectors: [`unix:uid:${process.getuid?.()}`],
    audiences: ["urn:example:a"],
  });
  daemon = await startDaemon({ entries: ["v1", "v2", "v3"].map(verifier) });
});
afterAll(() => daemon[Symbol.asyncDispose]());

function connect(options: Parameters<typeof connectOperator>[0] = { socket: daemon.operatorSocket }): Operator {
  const operator = connectOperator(options);
  onTestFinished(() => operator.close());
  return operator;
}

test("an operator calls the services by their methods", async () => {
  const operator = connect();
  const { entry } = await operator.entries.get({ entry: "verifier/v1" });
  expect(entry).toMatchObject({ spiffeId: "spiffe://example.org/verifier/v1", origin: EntryOrigin.CONFIG });
  const { sequence, suspendedBecause } = await operator.ledger.get({});
  expect([sequence > 0n, suspendedBecause]).toEqual([true, []]);
});

test("the socket is the one that the environment names when none is given", async () => {
  const before = process.env["STINT_OPERATOR_SOCKET"];
  onTestFinished(() => {
    if (before === undefined) delete process.env["STINT_OPERATOR_SOCKET"];
    else process.env["STINT_OPERATOR_SOCKET"] = before;
  });
  process.env["STINT_OPERATOR_SOCKET"] = daemon.operatorSocket;
  await expect(connect({}).ledger.get({})).resolves.toBeDefined();
});

test("a refusal is an error with the reason, and a broker that is not there is one without", async () => {
  const refused = await connect()
    .entries.get({ entry: "verifier/none" })
    .catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(CallError);
  expect(refused).toMatchObject({ reason: "ENTRY_NOT_FOUND", code: 5, unreachable: false });
  const absent = connect({ socket: `${daemon.operatorSocket}.none` }).ledger.get({});
  await expect(absent).rejects.toMatchObject({ reason: undefined, unreachable: true });
});

test("a call that says nothing of its time has the one that the operator was made with", async () => {
  const impatient = connect({ socket: daemon.operatorSocket, deadlineMs: 0 });
  await expect(impatient.ledger.get({})).rejects.toMatchObject({ code: 4 });
  await expect(impatient.ledger.get({}, { deadlineMs: 20_000 })).resolves.toBeDefined();
});

describe("every page", () => {
  const names = async (from?: string) => {
    const { entries } = connect();
    const seen: string[] = [];
    for await (const page of everyPage((pageToken) => entries.list({ pageSize: 2, pageToken }), from)) {
      seen.push(...page.entries.map((entry) => entry.content?.name ?? ""));
    }
    return seen;
  };

  // Entries are listed by id: those of one millisecond stand in any order, which stays the same.
  test("is visited once, in order", async () => {
    const { entries } = await connect().entries.list({});
    expect(await names()).toEqual(entries.map((entry) => entry.content?.name));
    expect(entries.map((entry) => entry.content?.name).sort()).toEqual(["broker-user", "server", "v1", "v2", "v3"]);
  });

  test("is visited from the one that a token names", async () => {
    const all = await names();
    const { nextPageToken } = await connect().entries.list({ pageSize: 3 });
    expect(await names(nextPageToken)).toEqual(all.slice(3));
  });
});
