import { describe, expect, test } from "vitest";
import type { Grant } from "../../../src/domain/grant.ts";
import { setOf } from "../../adapters/policy-cedar/sets.ts";
import { approveCallAct } from "../../contract/approval-acts.ts";
import { done, FILES, GRANT, MCP, OPERATOR, present } from "../../contract/ledger-world.ts";
import { ask } from "./http-peers.ts";
import { type Client, type IntrospectionScene, introspectionScene, type Posted, post } from "./introspection-scene.ts";

const EVALUATION = "/access/v1/evaluation";
const EVALUATIONS = "/access/v1/evaluations";

/** A gateway with its certificate, an open step, and a question about a call of it. */
async function setting(grant: Grant = GRANT) {
  const scene = await introspectionScene();
  const client = await scene.clientOf(await scene.verifier());
  const agent = await scene.world.agent({ ceiling: grant });
  scene.entries.put(agent);
  const step = await scene.world.open(agent, { grant });
  const token = await scene.mint(step);
  const subject = { type: "jwt_svid", id: step.spiffeId, properties: { token } };
  const action = { name: "read" };
  const resource = { type: "mcp_tool", id: "search", properties: { location: MCP, data_class: "internal" } };
  return { scene, client, step, token, subject, action, resource, whole: { subject, action, resource } };
}

/** POSTs JSON to the evaluation, unless it is said otherwise. */
function postJson(scene: IntrospectionScene, client: Client | undefined, json: unknown, own: Posted = {}) {
  const headers = { "content-type": "application/json", ...own.headers };
  return post(scene, client, "", { path: EVALUATION, body: JSON.stringify(json), ...own, headers });
}

const json = ({ body }: { readonly body: string }) => JSON.parse(body) as Record<string, unknown>;

test("the configuration names the identifier that it was asked by, and the two endpoints", async () => {
  const { scene } = await setting();
  const answer = await ask(`${scene.url}/.well-known/authzen-configuration`, { ca: scene.serverCa });
  expect(answer).toMatchObject({ status: 200, headers: { "content-type": "application/json" } });
  expect(json(answer)).toEqual({
    policy_decision_point: scene.url,
    access_evaluation_endpoint: `${scene.url}/access/v1/evaluation`,
    access_evaluations_endpoint: `${scene.url}/access/v1/evaluations`,
  });
});

describe("one evaluation", () => {
  test("of a call that is granted permits, and says by which decision", async () => {
    const { scene, client, whole } = await setting();
    const answer = await postJson(scene, client, { ...whole, context: { arguments_sha256: "ab".repeat(32), more: 1 } });
    expect(answer).toMatchObject({ status: 200, headers: { "cache-control": "no-store" } });
    expect(json(answer)).toEqual({ decision: true, context: { decision_id: expect.stringMatching(/^dec_/) } });
    const [decision] = await scene.store.history.decisions({ limit: 1 });
    expect(decision?.call).toMatchObject({ tool: "search", argumentsSha256: "ab".repeat(32) });
    expect(scene.failures).toEqual([]);
  });

  test("of a call by a budget says how much is left", async () => {
    const { scene, client, whole } = await setting(GRANT.map((one) => ({ ...one, max_calls: 2 })));
    expect(json(await postJson(scene, client, whole))).toMatchObject({ decision: true, context: { calls_left: 1 } });
  });

  test("of a call that is not granted denies with 200, a reason and its words", async () => {
    const { scene, client, whole } = await setting();
    const answer = await postJson(scene, client, { ...whole, action: { name: "write" } });
    expect(answer.status).toBe(200);
    expect(json(answer)).toEqual({
      decision: false,
      context: {
        decision_id: expect.stringMatching(/^dec_/),
        reason: "GRANT_EXCEEDED",
        message: expect.stringContaining("above the step's grant"),
      },
    });
  });

  test("of a step that has ended says in which state", async () => {
    const { scene, client, whole, step } = await setting();
    await scene.world.close(step);
    expect(json(await postJson(scene, client, whole))).toMatchObject({
      decision: false,
      context: { reason: "STEP_CLOSED", state: "COMPLETED" },
    });
  });

  test("of another subject than the credential's is denied: a name is no credential", async () => {
    const { scene, client, whole, subject, step } = await setting();
    const id = step.spiffeId.replace(/[0-9]+$/, "99");
    expect(json(await postJson(scene, client, { ...whole, subject: { ...subject, id } }))).toMatchObject({
      decision: false,
      context: { reason: "NO_IDENTITY" },
    });
  });
});

/** Calls need an approval. */
const ASK_FIRST = `@id("all")
permit (principal, action, resource);
@id("ask-first")
@approval("operators")
forbid (principal, action, resource) when { context.act == Act::"call" };`;

describe("a call that has to be approved", () => {
  async function held() {
    const made = await setting();
    const { world, clock } = made.scene;
    const put = { act: "put-policy-set", set: setOf(ASK_FIRST), origin: "api", activates: { reason: "test" } } as const;
    await world.ledger.perform({ ...put, by: OPERATOR, now: clock.now() });
    const asked = (context: object) => postJson(made.scene, made.client, { ...made.whole, context });
    return { ...made, asked };
  }

  test("is denied with who could approve it, by a gateway that does not say that it may wait", async () => {
    const { asked, scene } = await held();
    const answer = json(await asked({ arguments_sha256: "ab".repeat(32) }));
    expect(answer).toMatchObject({ decision: false, context: { reason: "POLICY_DENIED", approval: "operators" } });
    expect(answer["context"]).not.toHaveProperty("pending");
    expect(await scene.store.history.callApprovals({ now: scene.clock.now(), limit: 1 })).toEqual([]);
  });

  test("waits, which the context says with id and time, and passes once it was approved", async () => {
    const { asked, scene } = await held();
    const context = { arguments_sha256: "ab".repeat(32), accept_pending: true };
    const answer = json(await asked(context));
    const [pending] = await scene.store.history.callApprovals({ now: scene.clock.now(), limit: 1 });
    const { approvalId, until } = present(pending);
    expect(answer).toMatchObject({
      decision: false,
      context: {
        reason: "POLICY_DENIED",
        approval: "operators",
        approval_id: approvalId,
        pending: { approval_id: approvalId, until: new Date(until * 1_000).toISOString() },
      },
    });
    done(await scene.world.ledger.perform(approveCallAct(scene.world, present(pending))));
    expect(json(await asked(context))).toMatchObject({ decision: true });
    expect(json(await asked(context))).toMatchObject({ decision: false });
  });

  test("is refused with the field where it does not say whether it may wait", async () => {
    const { asked } = await held();
    const answer = await asked({ accept_pending: "yes" });
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining("context.accept_pending") as string });
  });
});

describe("a request identifier comes back", () => {
  test.for([
    { what: "with a decision", body: undefined, status: 200 },
    { what: "with an error in the request", body: "{}", status: 400 },
    { what: "with a body that is none", body: "[", status: 400 },
  ])("$what", async ({ body, status }) => {
    const { scene, client, whole } = await setting();
    const headers = { "x-request-id": "bfe9eb29 any text" };
    const answer = await postJson(scene, client, whole, { headers, ...(body !== undefined && { body }) });
    expect(answer).toMatchObject({ status, headers });
  });

  test("with a refusal before anything was looked at", async () => {
    const { scene, client } = await setting();
    const headers = { "x-request-id": "r-1" };
    expect(await postJson(scene, client, {}, { headers, method: "GET" })).toMatchObject({ status: 405, headers });
    const media = { ...headers, "content-type": "text/plain" };
    expect(await postJson(scene, client, {}, { headers: media })).toMatchObject({ status: 415, headers });
  });
});

describe("whoever asks without being a verifier", () => {
  test.for([
    { who: "a stranger without a certificate", status: 401 },
    { who: "a runtime", status: 403 },
  ])("$who: $status, and nothing is decided", async ({ who, status }) => {
    const { scene, whole } = await setting();
    const client = who === "a runtime" ? await scene.clientOf(await scene.runtime()) : undefined;
    expect(await postJson(scene, client, whole)).toMatchObject({ status });
    const calls = await scene.store.history.decisions({ limit: 100, effect: "allow" });
    expect(calls.filter(({ act }) => act === "call")).toEqual([]);
  });

  test("a verifier for another verifier's location: 403", async () => {
    const { scene, client, whole, resource } = await setting();
    const elsewhere = { ...resource, properties: { ...resource.properties, location: FILES } };
    expect(await postJson(scene, client, { ...whole, resource: elsewhere })).toMatchObject({ status: 403 });
  });

  test("anybody over plain HTTP: there is nothing", async () => {
    const { scene } = await setting();
    const answer = await ask(`${scene.plainUrl}/.well-known/authzen-configuration`);
    expect(answer.status).toBe(404);
  });
});

test("while the ledger is doubted nothing is decided: 503", async () => {
  const { scene, client, whole } = await setting();
  scene.doubt(true);
  expect(await postJson(scene, client, whole)).toMatchObject({ status: 503 });
});

test.for([
  { what: "a bare name as subject", change: { subject: { type: "user", id: "alice" } }, names: "subject.properties" },
  {
    what: "a subject of another type",
    change: { subject: { type: "user", id: "alice", properties: { token: "t" } } },
    names: "subject.type",
  },
  { what: "no subject", change: { subject: undefined }, names: "subject" },
  { what: "an action that is none of ours", change: { action: { name: "can_read" } }, names: "action.name" },
  { what: "no action", change: { action: undefined }, names: "action" },
  { what: "another kind of resource", change: { resource: { type: "document", id: "1" } }, names: "resource.type" },
  {
    what: "no data class",
    change: { resource: { type: "mcp_tool", id: "search", properties: { location: MCP } } },
    names: "resource.properties.data_class",
  },
  {
    what: "a data class that is no name",
    change: { resource: { type: "mcp_tool", id: "search", properties: { location: MCP, data_class: "a b" } } },
    names: "resource.properties.data_class",
  },
  {
    what: "a location that is no URI",
    change: { resource: { type: "mcp_tool", id: "search", properties: { location: "here", data_class: "internal" } } },
    names: "resource.properties.location",
  },
  {
    what: "any tool",
    change: { resource: { type: "mcp_tool", id: "*", properties: { location: MCP, data_class: "internal" } } },
    names: "resource.id",
  },
  { what: "a digest that is none", change: { context: { arguments_sha256: "ab" } }, names: "context.arguments_sha256" },
  { what: "a context that is a text", change: { context: "now" }, names: "context" },
])("$what is a bad request, and the message names it", async ({ change, names }) => {
  const { scene, client, whole } = await setting();
  const answer = await postJson(scene, client, { ...whole, ...change });
  expect(answer).toMatchObject({ status: 400, headers: { "content-type": expect.stringContaining("text/plain") } });
  expect(answer.body).toContain(`${names}: `);
});

describe("several evaluations", () => {
  const several = (scene: IntrospectionScene, client: Client, body: unknown) =>
    postJson(scene, client, body, { path: EVALUATIONS });

  test("take what they have not from the request's own parts, each part as a whole", async () => {
    const { scene, client, whole, resource } = await setting();
    const other = { ...resource, id: "delete" };
    const answer = await several(scene, client, {
      ...whole,
      evaluations: [{}, { resource: other }, { action: { name: "write" } }],
    });
    expect(answer.status).toBe(200);
    expect(json(answer)).toEqual({
      evaluations: [
        { decision: true, context: expect.anything() },
        { decision: false, context: expect.objectContaining({ reason: "GRANT_EXCEEDED" }) },
        { decision: false, context: expect.objectContaining({ reason: "GRANT_EXCEEDED" }) },
      ],
    });
  });

  test.for([
    { semantic: undefined, decisions: [true, false, true, false] },
    { semantic: "execute_all", decisions: [true, false, true, false] },
    { semantic: "deny_on_first_deny", decisions: [true, false] },
    { semantic: "permit_on_first_permit", decisions: [true] },
  ])("by $semantic are made as far as that says", async ({ semantic, decisions }) => {
    const { scene, client, whole } = await setting();
    const write = { action: { name: "write" } };
    const options = semantic === undefined ? {} : { options: { evaluations_semantic: semantic } };
    const answer = await several(scene, client, { ...whole, ...options, evaluations: [{}, write, {}, write] });
    const { evaluations } = json(answer) as { readonly evaluations: readonly { readonly decision: boolean }[] };
    expect(evaluations.map(({ decision }) => decision)).toEqual(decisions);
    // What was not evaluated was not counted either.
    const made = (await scene.store.history.decisions({ limit: 100 })).filter(({ act }) => act === "call");
    expect(made).toHaveLength(decisions.length);
  });

  test("with one that is malformed deny that one, with its error", async () => {
    const { scene, client, whole } = await setting();
    const answer = await several(scene, client, { ...whole, evaluations: [{ action: {} }, {}] });
    expect(json(answer)).toEqual({
      evaluations: [
        { decision: false, context: { error: { status: 400, message: "action.name: a text" } } },
        { decision: true, context: expect.anything() },
      ],
    });
  });

  test("none of them: it is the request for one", async () => {
    const { scene, client, whole } = await setting();
    for (const evaluations of [[], undefined]) {
      expect(json(await several(scene, client, { ...whole, evaluations }))).toMatchObject({ decision: true });
    }
  });

  test.for([
    { what: "more than 64", body: { evaluations: Array(65).fill({}) }, names: "evaluations" },
    { what: "no list", body: { evaluations: {} }, names: "evaluations" },
    { what: "texts", body: { evaluations: ["x"] }, names: "evaluations" },
    {
      what: "an unknown semantic",
      body: { options: { evaluations_semantic: "any" } },
      names: "options.evaluations_semantic",
    },
    { what: "options that are none", body: { options: [] }, names: "options" },
  ])("$what: 400", async ({ body, names }) => {
    const { scene, client, whole } = await setting();
    const answer = await several(scene, client, { ...whole, ...body });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(`${names}: `);
  });

  test("in a body of more than 64 KiB are not read", async () => {
    const { scene, client, whole } = await setting();
    const answer = await several(scene, client, { ...whole, context: { padding: "x".repeat(66_000) } });
    expect(answer.status).toBe(413);
  });
});
