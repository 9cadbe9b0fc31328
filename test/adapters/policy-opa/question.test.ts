import { describe, expect, test } from "vitest";
import { opaQuestion } from "../../../src/adapters/policy-opa/opa-question.ts";
import { POLICY_MEMBERS, POLICY_MEMBERS_DEFAULT } from "../../../src/domain/policy-members.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import type { PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, requestOf } from "../../samples/policy-request.ts";
import { ALLOW_ONE, inOpasPlace, opaAt } from "./opa-scene.ts";

const SEARCH = elementOf();

const HOP = requestOf({
  act: "judge",
  runtime: "flow" as Segment,
  workflow: "reports",
  principal: { iss: "https://id.example.org", sub: "ada", claims: { team: "blue", groups: ["a", "b"] } },
  parent: { agent: "planner" as Segment, name: { runId: "run-0" as Segment, step: "outline" as Segment, attempt: 2 } },
  facts: { classes: ["internal"], actions: ["read"], stepsOpen: 1, steps: 3 },
  risk: { domain: "low", agent: "elevated", run: "high" },
  depth: 1,
  confinedTo: ["https://search.example.org"],
});

const inputOf = (request: PolicyRequest, send = POLICY_MEMBERS as Parameters<typeof opaQuestion>[1]): unknown =>
  JSON.parse(opaQuestion(request, send).toString()).input;

describe("what OPA is told", () => {
  test("is, with every member, the request as policies find it", () => {
    expect(inputOf(HOP)).toEqual({
      act: "judge",
      agent: "researcher",
      runtime: "flow",
      step: { run_id: "run-1", step: "plan", attempt: 1 },
      workflow: "reports",
      parent: { agent: "planner" },
      parent_step: { run_id: "run-0", step: "outline", attempt: 2 },
      principal: { iss: "https://id.example.org", sub: "ada" },
      claims: { team: "blue", groups: ["a", "b"] },
      requested: [SEARCH],
      elements: [SEARCH],
      facts: { classes: ["internal"], actions: ["read"], steps_open: 1, steps: 3 },
      risk: { domain: "low", agent: "elevated", run: "high" },
      depth: 1,
      selectors: ["unix:user:runtime"],
      confined_to: ["https://search.example.org"],
      at: "2027-01-15T08:00:00.000Z",
    });
  });

  test("says null for what a request has not, so that it is not taken for what is not sent", () => {
    expect(inputOf(requestOf())).toMatchObject({
      runtime: null,
      workflow: null,
      parent: null,
      parent_step: null,
      principal: null,
      claims: null,
      confined_to: null,
    });
  });

  test("is what is listed, and nothing else", () => {
    expect(inputOf(HOP, ["elements", "depth"])).toEqual({ elements: [SEARCH], depth: 1 });
  });

  test("where nothing is configured is neither whom a step works for, nor what was attested, nor names that callers make up", () => {
    const told = opaQuestion(HOP, POLICY_MEMBERS_DEFAULT).toString();
    for (const secret of [
      "id.example.org",
      "ada",
      "blue",
      "unix:user",
      "run-1",
      'plan"',
      "run-0",
      "outline",
      "reports",
    ]) {
      expect(told).not.toContain(secret);
    }
  });

  test("has an end: what is too large is refused before anything is sent", () => {
    const classes = Array.from({ length: 10_000 }, (_, index) => `${index}`.padStart(128, "c"));
    const request = requestOf({ facts: { classes, actions: [], stepsOpen: 0, steps: 1 } });
    expect(() => opaQuestion(request, ["elements", "facts"])).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});

describe("a question", () => {
  test("is one request to the Data API for all elements, strict with built-in functions", async () => {
    const elements = [
      { effect: "allow", policies: ["b", "a", "b"] },
      { effect: "deny", policies: [] },
    ];
    const result = { whole: { effect: "allow", policies: ["site.all"] }, elements };
    const place = await inOpasPlace((_, response) => response.end(JSON.stringify({ result, decision_id: "d-1" })));
    const { opa, clock } = opaAt(place.url, { path: "site/stint/answer", send: ["act", "elements"] });
    const request = requestOf({ requested: [SEARCH, { ...SEARCH, identifier: "fetch" }] });
    expect(await opa.evaluate(request)).toEqual({
      whole: { effect: "allow", policies: ["site.all"] },
      elements: [
        { effect: "allow", policies: ["a", "b"] },
        { effect: "deny", policies: [] },
      ],
    });
    const body = JSON.stringify({ input: { act: "open", elements: request.elements } });
    expect(place.asked).toEqual([
      {
        method: "POST",
        url: "/v1/data/site/stint/answer?strict-builtin-errors=true",
        headers: {
          host: new URL(place.url).host,
          "content-type": "application/json",
          "content-length": String(body.length),
          accept: "application/json",
          "accept-encoding": "identity",
          connection: "keep-alive",
        },
        body,
      },
    ]);
    expect(clock.pending()).toBe(0);
  });

  test("is not put of a step whose opener is not on record, where a rule could read of the opener: the step ends", async () => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
    const request = requestOf({ act: "judge", openerUnknown: true });
    const denied = { effect: "deny", policies: ["opener-unknown"] };
    for (const member of ["runtime", "selectors"] as const) {
      const { opa } = opaAt(place.url, { send: ["elements", member] });
      expect(await opa.evaluate(request)).toEqual({ whole: denied, elements: [denied] });
    }
    expect(place.asked).toEqual([]);
    const { opa } = opaAt(place.url, { send: ["elements"] });
    expect((await opa.evaluate(request)).whole.effect).toBe("allow");
  });

  test("carries the token that is current, and nothing where there is none", async () => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
    let current: { readonly token?: string } = { token: "first" };
    const { opa } = opaAt(place.url, { credentials: () => current });
    await opa.evaluate(requestOf());
    current = { token: "second" };
    await opa.evaluate(requestOf());
    current = {};
    await opa.evaluate(requestOf());
    expect(place.asked.map(({ headers }) => headers["authorization"])).toEqual([
      "Bearer first",
      "Bearer second",
      undefined,
    ]);
  });
});
