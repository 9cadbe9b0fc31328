import { expect, test } from "vitest";
import { callDigestOf } from "../../src/domain/call-approval.ts";
import { GRANT, MCP, OPERATOR } from "../contract/ledger-world.ts";
import { checkScene } from "./check-scene.ts";

const [OLD, NEXT] = ["1a".repeat(32), "2b".repeat(32)];
const bytes = (sha256: string) => new Uint8Array(Buffer.from(sha256, "hex"));
const only = (definition_sha256: string) => GRANT.map((element) => ({ ...element, definition_sha256 }));

type Scene = Awaited<ReturnType<typeof checkScene>>;

async function show({ world, clock }: Scene, sha256: string, pinsFirst = true) {
  const tools = [{ tool: "search", sha256, definition: '{"name":"search"}' }];
  const act = { act: "report-tools", location: MCP, tools, pinsFirst, by: OPERATOR } as const;
  await world.ledger.perform({ ...act, now: clock.now() });
}

async function accept({ world, clock }: Scene, sha256: string) {
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const act = { act: "accept-tool", location: MCP, tool: "search", sha256, reason: "r", by } as const;
  await world.ledger.perform({ ...act, now: clock.now() });
}

const notAccepted = (definition: "changed" | "waiting") => ({
  effect: "deny",
  reason: "TOOL_NOT_ACCEPTED",
  message: expect.stringContaining(`stint tool show ${MCP} search`),
  metadata: { definition },
});

test("a call of a tool that changed is refused until an operator accepts it, and the refusal is on record", async () => {
  const scene = await checkScene();
  expect(await scene.ask()).toMatchObject({ effect: "allow" });
  await show(scene, OLD);
  expect(await scene.ask()).toMatchObject({ effect: "allow" });
  await show(scene, NEXT);
  const answer = await scene.ask();
  expect(answer).toMatchObject(notAccepted("changed"));
  const [decision] = await scene.decisions();
  expect(decision).toMatchObject({ decisionId: answer.decisionId, effect: "deny", reason: "TOOL_NOT_ACCEPTED" });
  await accept(scene, NEXT);
  expect(await scene.ask()).toMatchObject({ effect: "allow" });
});

test("a server that tells what it shows is held to that, whatever another one shows", async () => {
  const scene = await checkScene();
  await show(scene, OLD);
  await show(scene, NEXT);
  expect(await scene.ask({ definitionSha256: bytes(OLD) })).toMatchObject({ effect: "allow" });
  expect(await scene.ask({ definitionSha256: bytes(NEXT) })).toMatchObject(notAccepted("changed"));
  const [denied, allowed] = await scene.decisions();
  expect(denied?.call).toMatchObject({ definitionSha256: NEXT });
  expect(allowed).toMatchObject({ call: { definitionSha256: OLD }, granted: only(OLD) });
});

test("a tool that waits for its first acceptance is refused as such", async () => {
  const scene = await checkScene();
  await show(scene, OLD, false);
  expect(await scene.ask({ definitionSha256: bytes(OLD) })).toMatchObject(notAccepted("waiting"));
  await accept(scene, OLD);
  expect(await scene.ask({ definitionSha256: bytes(OLD) })).toMatchObject({ effect: "allow" });
});

test("a grant for one definition permits calls under that one alone, and counts them", async () => {
  const grant = only(OLD).map((element) => ({ ...element, max_calls: 2 }));
  const scene = await checkScene({ grant });
  expect(await scene.ask({ definitionSha256: bytes(OLD) })).toMatchObject({ effect: "allow", callsLeft: 1 });
  const refused = { effect: "deny", reason: "GRANT_EXCEEDED", message: expect.stringContaining("another definition") };
  expect(await scene.ask({ definitionSha256: bytes(NEXT) })).toMatchObject(refused);
  expect(await scene.ask()).toMatchObject(refused);
});

test("an approval of a call is for the definition under which it was asked for", () => {
  const call = { location: MCP, tool: "search", actions: ["read"], datatypes: ["internal"] } as const;
  const digestOf = (own: object) =>
    callDigestOf("step", "entry", { ...call, argumentsSha256: "ab".repeat(32), ...own });
  const digests = [{}, { definitionSha256: OLD }, { definitionSha256: NEXT }].map(digestOf);
  expect(new Set(digests).size).toBe(3);
});

test("a digest is 32 bytes, or there is none", async () => {
  const scene = await checkScene();
  await expect(scene.ask({ definitionSha256: new Uint8Array(31) })).rejects.toMatchObject({
    code: "INVALID_FIELD",
    metadata: { field: "definition_sha256" },
  });
});
