import { preparsePolicySet, preparseSchema, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createAnswered } from "../../../src/adapters/policy-cedar/answered.ts";
import { parseSchema } from "../../../src/adapters/policy-cedar/cedar-library.ts";
import { checkSet } from "../../../src/adapters/policy-cedar/check-set.ts";
import { createLoadedSet } from "../../../src/adapters/policy-cedar/loaded-set.ts";
import { policySchemaText } from "../../../src/adapters/policy-cedar/policy-files.ts";
import { createRemembered } from "../../../src/adapters/policy-cedar/remembered.ts";
import { ENTITIES, SITUATION, stepId, USE } from "../../../src/adapters/policy-cedar/situation.ts";
import { createSlices } from "../../../src/adapters/policy-cedar/slices.ts";
import { NO_DATA_CLASSES } from "../../../src/domain/data-classes.ts";
import { ACTIONS } from "../../../src/domain/grant.ts";
import type { Policy } from "../../../src/domain/policy-set.ts";
import { RISK_LEVELS } from "../../../src/domain/risk.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import type { PolicyEffect, PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, requestOf, stepName } from "../../samples/policy-request.ts";
import { setOf } from "./sets.ts";

// Goal: an answer never hangs on how the engine came to it: which policies it left out as none of the request's business, which
// parts of the request it left out as looked at by none, what it remembers.
// Method: the same questions are put to the library with all policies, all of the context and no memory, checked against the
// schema. A failure prints its seed; replay it with FC_SEED=<seed>.

const schema = parseSchema(policySchemaText());
const agents = ["a", "b", "*"];
const tools = ["t", "u", "delete_all"];
const servers = ["https://one.example.org", "https://two.example.org/mcp"];
const classes = ["public", "pii"];

/** A name that no slice has. */
const REFERENCE = "reference";

type Reference = { readonly effect: "allow" | "deny"; readonly policies: string[]; readonly errors: string[] };

/** The library alone, asked one question in full. */
function reference(
  request: PolicyRequest,
  action: string,
  use?: { tool: string; server: string; dataClass: string },
): Reference {
  const context: Record<string, unknown> = {};
  const put = (path: string, value: unknown): void => {
    const [first = "", second] = path.split(".");
    if (value === undefined) return;
    context[first] = second === undefined ? value : { ...(context[first] as object), [second]: value };
  };
  for (const [path, of] of Object.entries(SITUATION)) put(path, of(request));
  if (use !== undefined) for (const [path, of] of Object.entries(USE)) put(path, of(use, NO_DATA_CLASSES));
  const { parent, principal } = request;
  const step = action === "delegate" && parent !== undefined ? parent : { agent: request.agent, name: request.name };
  const entities = [
    ENTITIES.step(step.agent, step.name),
    ...(parent !== undefined && action !== "delegate" ? [ENTITIES.step(parent.agent, parent.name)] : []),
    ...(principal === undefined ? [] : [ENTITIES.principal(principal)]),
    ...(use === undefined ? [] : [ENTITIES.tool(use.tool), ENTITIES.server(use)]),
  ];
  const byId = new Map(entities.map((entity) => [JSON.stringify(entity.uid), entity]));
  const answer = statefulIsAuthorized({
    principal: { type: "Agent", id: request.agent },
    action: { type: "Action", id: action },
    resource: use === undefined ? { type: "Step", id: stepId(step.agent, step.name) } : { type: "Tool", id: use.tool },
    context: context as never,
    preparsedSchemaName: REFERENCE,
    validateRequest: true,
    preparsedPolicySetId: REFERENCE,
    entities: [...byId.values()],
  });
  if (answer.type === "failure") throw new Error(JSON.stringify(answer.errors));
  const { decision, diagnostics } = answer.response;
  const errors = diagnostics.errors.map(({ policyId }) => policyId);
  const effect = errors.length > 0 ? "deny" : decision;
  return { effect, policies: effect === decision ? diagnostics.reason : [], errors };
}

function merged(parts: readonly Reference[]): PolicyEffect {
  const sorted = (texts: readonly string[]) => [...new Set(texts)].sort();
  const denied = parts.filter(({ effect }) => effect === "deny");
  const counted = denied.length > 0 ? denied : parts;
  const errors = sorted(counted.flatMap((part) => part.errors));
  return {
    effect: denied.length > 0 ? "deny" : "allow",
    policies: sorted(counted.flatMap(({ policies }) => policies)),
    ...(errors.length > 0 && { errors }),
  };
}

const oneOf = (...texts: readonly string[]) => fc.constantFrom(...texts);
const effect = oneOf("permit", "permit", "forbid");
const agentScope = fc.oneof(
  fc.constant("principal"),
  fc.constant("principal is Agent"),
  oneOf(...agents).map((id) => `principal == Agent::"${id}"`),
  oneOf(...agents).map((id) => `principal in Agent::"${id}"`),
);
const toolScope = fc.oneof(
  fc.constant("resource is Tool"),
  oneOf(...tools).map((id) => `resource == Tool::"${id}"`),
  oneOf(...tools).map((id) => `resource is Tool in Tool::"${id}"`),
);
const actionScope = fc.oneof(
  oneOf(...ACTIONS).map((id) => `action == Action::"${id}"`),
  fc
    .uniqueArray(oneOf(...ACTIONS), { minLength: 1 })
    .map((ids) => `action in [${ids.map((id) => `Action::"${id}"`).join(", ")}]`),
);
const overflow = "context.steps + 9223372036854775807 > 0";
const condition = fc.oneof(
  oneOf(...agents).map((id) => `principal == Agent::"${id}"`),
  oneOf(...agents).map((id) => `[Agent::"${id}", Agent::"a"].contains(principal)`),
  oneOf(...agents).map((id) => `principal != Agent::"${id}"`),
  oneOf(...tools).map((id) => `resource == Tool::"${id}"`),
  oneOf(...tools).map((id) => `Tool::"${id}" == resource`),
  oneOf(...RISK_LEVELS).map((level) => `context.risk.highest == RiskLevel::"${level}"`),
  oneOf(...classes).map((id) => `context.granted.classes.contains(DataClass::"${id}")`),
  oneOf(...servers).map((id) => `context.server == Server::"${id}"`),
  oneOf(...ACTIONS).map((id) => `context.requested.actions.contains(Verb::"${id}")`),
  fc.constant('context.server.host == "one.example.org"'),
  fc.constant('(if context.confined then context.server else Server::"x").host like "*"'),
  fc.constant('resource.name like "delete_*"'),
  fc.constant('{ whole: context.risk }.whole.run == RiskLevel::"high"'),
  fc.constant("context.confined && !context.confinedTo.contains(context.server)"),
  fc.constant('context has principal && context.principal.hasTag("groups")'),
  fc.constant('context has parent && context.parent.name == "plan"'),
  fc.constant('context has parent && context.parent in Run::"run-1"'),
  fc.constant('context has runtime && context.runtime == Runtime::"r"'),
  fc.constant("context.depth > 1"),
  fc.constant('context.at > datetime("2027-01-15T08:00:00Z")'),
  fc.constant('context.sensitivity == Sensitivity::"restricted"'),
  fc.constant('context.selectors.contains("unix:user:runtime")'),
  fc.constant(overflow),
);
const clause = fc
  .tuple(oneOf("when", "unless"), fc.array(condition, { minLength: 1, maxLength: 3 }), oneOf("&&", "||"))
  .map(([kind, parts, operator]) => `${kind} { ${parts.map((part) => `(${part})`).join(` ${operator} `)} }`);
const toolPolicy = fc
  .tuple(effect, agentScope, actionScope, toolScope, fc.array(clause, { maxLength: 2 }))
  .map(([kind, who, does, what, clauses]) => `${kind} (${who}, ${does}, ${what}) ${clauses.join(" ")};`);
const stepScope = oneOf(
  "resource",
  "resource is Step",
  'resource in Run::"run-1"',
  'resource == Step::"a/run/r/step/s/1"',
);
const stepPolicy = fc
  .tuple(effect, agentScope, oneOf("open_step", "delegate"), stepScope, oneOf("", "when { context.depth > 0 }"))
  .map(([kind, who, does, what, when]) => `${kind} (${who}, action == Action::"${does}", ${what}) ${when};`);
const site = fc.array(
  fc.oneof({ weight: 4, arbitrary: toolPolicy }, stepPolicy, fc.constant("permit (principal, action, resource);")),
  {
    minLength: 1,
    maxLength: 12,
  },
);

const risk = oneOf(...RISK_LEVELS) as fc.Arbitrary<(typeof RISK_LEVELS)[number]>;
const request = fc
  .record({
    act: fc.constantFrom("open" as const, "judge" as const, "call" as const),
    agent: oneOf(...agents) as fc.Arbitrary<Segment>,
    name: oneOf("run-1", "run-2").map((run) => stepName(run)),
    requested: fc.array(
      fc.record({
        identifier: oneOf(...tools),
        locations: fc.uniqueArray(oneOf(...servers), { minLength: 1 }),
        actions: fc.uniqueArray(fc.constantFrom(...ACTIONS), { minLength: 1, maxLength: 2 }),
        datatypes: fc.uniqueArray(oneOf(...classes), { minLength: 1 }),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    facts: fc.record({
      classes: fc.subarray(classes),
      actions: fc.subarray([...ACTIONS]),
      steps: fc.nat({ max: 3 }),
      stepsOpen: fc.nat({ max: 3 }),
    }),
    risk: fc.record({ domain: risk, agent: risk, run: risk }),
    depth: fc.nat({ max: 3 }),
    parent: fc.option(fc.constant({ agent: "a" as Segment, name: stepName() }), { nil: undefined }),
    principal: fc.option(
      fc.constantFrom({ groups: ["finance"] }, { admin: true }, {}).map((claims) => ({
        iss: "https://idp.example.org",
        sub: "alice",
        claims: claims as Record<string, boolean | string[]>,
      })),
      { nil: undefined },
    ),
    confinedTo: fc.option(fc.subarray(servers), { nil: undefined }),
  })
  .map(({ requested, parent, principal, confinedTo, ...rest }) =>
    requestOf({
      ...rest,
      requested: requested.map(elementOf),
      ...(parent !== undefined && { parent }),
      ...(principal !== undefined && { principal }),
      ...(confinedTo !== undefined && { confinedTo }),
    }),
  );

/** A policy that is impossible would be refused, and is no case of these tests. */
async function validOf(texts: readonly string[]): Promise<readonly Policy[]> {
  const { policies } = setOf(texts.join("\n"));
  const { findings } = await checkSet({ policies }, schema, noPause);
  const refused = new Set(findings.map(({ policyId }) => policyId));
  return policies.filter(({ policyId }) => !refused.has(policyId));
}

/** Thousands of questions, twice each, on a machine that may be busy. */
const TEST_MS_MAX = 180_000;
const noPause = async () => undefined;
/** So few that they make room for each other all the time. */
const SLICES = 4;

const parameters = {
  numRuns: Number(process.env["FC_RUNS"] ?? 30),
  ...(process.env["FC_SEED"] !== undefined && { seed: Number(process.env["FC_SEED"]) }),
};

test(
  "an answer is the library's own, whatever was left out and whatever is remembered",
  async () => {
    preparseSchema(REFERENCE, policySchemaText());
    const slices = createSlices(SLICES);
    const answered = createAnswered<PolicyEffect>();
    let loads = 0;
    await fc.assert(
      fc.asyncProperty(site, fc.array(request, { minLength: 1, maxLength: 4 }), async (texts, requests) => {
        const policies = await validOf(texts);
        const byId = Object.fromEntries(policies.map(({ policyId, text }) => [policyId, text]));
        preparsePolicySet(REFERENCE, { staticPolicies: byId });
        const { policies: compiled } = await checkSet({ policies }, schema, noPause);
        loads += 1;
        const set = createLoadedSet(String(loads), compiled, NO_DATA_CLASSES, slices, answered);
        for (const one of requests) {
          const { answer } = set.evaluate(one);
          const whole = one.act === "call" ? [] : ["open_step", ...(one.parent === undefined ? [] : ["delegate"])];
          if (whole.length > 0) {
            expect(answer.whole).toEqual(merged(whole.map((action) => reference(one, action))));
          }
          for (const [position, { identifier, locations, actions, datatypes }] of one.elements.entries()) {
            const parts = actions.flatMap((action) =>
              locations.flatMap((server) =>
                datatypes.map((dataClass) => reference(one, action, { tool: identifier, server, dataClass })),
              ),
            );
            expect(answer.elements[position]).toEqual(merged(parts));
          }
        }
      }),
      parameters,
    );
  },
  TEST_MS_MAX,
);

test(
  "what is remembered of a request answers another only if no policy can tell the two apart",
  async () => {
    const slices = createSlices(SLICES);
    const answered = createAnswered<PolicyEffect>();
    const remembered = createRemembered();
    let [loads, known] = [0, 0];
    await fc.assert(
      fc.asyncProperty(site, fc.array(request, { minLength: 2, maxLength: 8 }), async (texts, requests) => {
        const { policies } = await checkSet({ policies: await validOf(texts) }, schema, noPause);
        loads += 1;
        const set = createLoadedSet(String(loads), policies, NO_DATA_CLASSES, slices, answered);
        const [{ agent, requested, elements } = requestOf()] = requests;
        const alike = requests.map((one) => ({ ...one, agent, requested, elements }));
        for (const asked of alike.flatMap((one) => [one, { ...one, openerUnknown: true as const }])) {
          const { answer, lookedAt } = set.evaluate(asked);
          const before = remembered.answerTo(loads, asked);
          if (before === undefined) remembered.remember(loads, asked, answer, lookedAt);
          else {
            known += 1;
            expect(before).toEqual(answer);
          }
        }
      }),
      parameters,
    );
    expect(known).toBeGreaterThan(0);
  },
  TEST_MS_MAX,
);

test(
  "whoever gets any tool of a server gets none that a policy forbids there",
  async () => {
    const slices = createSlices(SLICES);
    const answered = createAnswered<PolicyEffect>();
    let loads = 0;
    let passed = 0;
    const permit = fc.constant("permit (principal, action, resource);");
    await fc.assert(
      fc.asyncProperty(
        permit,
        site,
        fc.array(request, { minLength: 1, maxLength: 4 }),
        async (first, texts, requests) => {
          const { policies } = await checkSet({ policies: await validOf([first, ...texts]) }, schema, noPause);
          loads += 1;
          const set = createLoadedSet(String(loads), policies, NO_DATA_CLASSES, slices, answered);
          const permits = policies.filter(({ effect }) => effect === "permit").map(({ policyId }) => policyId);
          for (const one of requests) {
            for (const element of one.requested) {
              const asking = (identifier: string) => {
                const requested = [{ ...element, identifier }];
                return set.evaluate({ ...one, requested, elements: requested }).answer.elements[0];
              };
              if (asking("*")?.effect !== "allow") continue;
              passed += 1;
              for (const tool of [...tools, "delete_it", "another"]) {
                const named = asking(tool);
                if (named?.effect === "allow") continue;
                // A permit of that tool alone that can't be evaluated is no policy that forbids it.
                expect(named?.policies).toEqual([]);
                expect(permits).toEqual(expect.arrayContaining([...(named?.errors ?? ["none permits it"])]));
              }
            }
          }
        },
      ),
      parameters,
    );
    expect(passed).toBeGreaterThan(0);
  },
  TEST_MS_MAX,
);
