import type { DataClasses } from "../../domain/data-classes.ts";
import { dataClass } from "../../domain/data-classes.ts";
import { invalidField } from "../../domain/errors.ts";
import { isRiskier } from "../../domain/risk.ts";
import { sortedSet } from "../../domain/sorted-set.ts";
import type { StepName } from "../../domain/spiffe-id.ts";
import type { PolicyRequest, Principal } from "../../ports/policy-engine.ts";
import type { CedarValueJson, EntityJson } from "./cedar-library.ts";

/** Which server and class of data a question about a tool is about. */
export type UseOf = { readonly server: string; readonly dataClass: string };

type Value = CedarValueJson | undefined;

/** An entity as a value. Ids come from outside and go in as data, never into a text that is parsed. */
function reference(type: string, id: string): CedarValueJson {
  return { __entity: { type, id } };
}

function references(type: string, ids: readonly string[]): CedarValueJson {
  return sortedSet(ids).map((id) => reference(type, id));
}

/** Each part of the context that is the same in all questions of a request, by its path. */
export const SITUATION: Readonly<Record<string, (request: PolicyRequest) => Value>> = {
  act: ({ act }) => reference("Act", act),
  at: ({ at }) => ({ __extn: { fn: "datetime", arg: new Date(Math.floor(at / 1_000)).toISOString() } }),
  run: ({ name }) => reference("Run", name.runId),
  step: ({ name }) => name.step,
  attempt: ({ name }) => name.attempt,
  workflow: ({ workflow }) => workflow,
  runtime: ({ runtime }) => (runtime === undefined ? undefined : reference("Runtime", runtime)),
  principal: ({ principal }) => (principal === undefined ? undefined : reference("Principal", principalId(principal))),
  parent: ({ parent }) => (parent === undefined ? undefined : reference("Step", stepId(parent.agent, parent.name))),
  depth: ({ depth }) => depth,
  selectors: ({ selectors }) => [...sortedSet(selectors)],
  "requested.servers": ({ requested }) =>
    references(
      "Server",
      requested.flatMap(({ locations }) => locations),
    ),
  "requested.tools": ({ requested }) =>
    references(
      "Tool",
      requested.map(({ identifier }) => identifier),
    ),
  "requested.actions": ({ requested }) =>
    references(
      "Verb",
      requested.flatMap(({ actions }) => actions),
    ),
  "requested.classes": ({ requested }) =>
    references(
      "DataClass",
      requested.flatMap(({ datatypes }) => datatypes),
    ),
  "granted.actions": ({ facts }) => references("Verb", facts.actions),
  "granted.classes": ({ facts }) => references("DataClass", facts.classes),
  steps: ({ facts }) => facts.steps,
  stepsOpen: ({ facts }) => facts.stepsOpen,
  "risk.domain": ({ risk }) => reference("RiskLevel", risk.domain),
  "risk.agent": ({ risk }) => reference("RiskLevel", risk.agent),
  "risk.run": ({ risk }) => reference("RiskLevel", risk.run),
  "risk.highest": ({ risk: { domain, agent, run } }) =>
    reference(
      "RiskLevel",
      [agent, run].reduce((highest, one) => (isRiskier(one, highest) ? one : highest), domain),
    ),
  confined: ({ confinedTo }) => confinedTo !== undefined,
  confinedTo: ({ confinedTo }) => references("Server", confinedTo ?? []),
};

/** Each part of the context that a question about a tool has besides. */
export const USE: Readonly<Record<string, (use: UseOf, known: DataClasses) => CedarValueJson>> = {
  server: ({ server }) => reference("Server", server),
  dataClass: (use) => reference("DataClass", use.dataClass),
  sensitivity: (use, known) => reference("Sensitivity", dataClass(known, use.dataClass).sensitivity),
};

/** Paths of all parts of the context, each with its names apart. */
export const CONTEXT_PARTS: readonly { readonly path: string; readonly names: readonly string[] }[] = [
  ...Object.keys(SITUATION),
  ...Object.keys(USE),
].map((path) => ({ path, names: path.split(".") }));

/** The attributes of an entity, for policies that look into it; `undefined` for one that has none. */
export const ENTITIES = {
  server: ({ server }: UseOf): EntityJson => {
    const { protocol, hostname, pathname } = new URL(server);
    const path = pathname === "/" ? "" : pathname;
    return entity("Server", server, { scheme: protocol.slice(0, -1), host: hostname, path });
  },
  tool: (name: string): EntityJson => entity("Tool", name, { name }),
  step: (agent: string, name: StepName): EntityJson => ({
    uid: { type: "Step", id: stepId(agent, name) },
    attrs: { agent: reference("Agent", agent), name: name.step, attempt: name.attempt },
    parents: [{ type: "Run", id: name.runId }],
  }),
  principal: (principal: Principal): EntityJson => ({
    ...entity("Principal", principalId(principal), { iss: principal.iss, sub: principal.sub }),
    // fromEntries defines members: a claim `__proto__` becomes a tag like any other.
    tags: Object.fromEntries(
      Object.entries(principal.claims).map(([name, value]) => [
        name,
        Array.isArray(value) ? [...sortedSet(value as readonly string[])] : [String(value)],
      ]),
    ),
  }),
} as const;

function entity(type: string, id: string, attrs: EntityJson["attrs"]): EntityJson {
  return { uid: { type, id }, attrs, parents: [] };
}

/** The names are segments, which hold no slash: two steps never share an id. */
export function stepId(agent: string, { runId, step, attempt }: StepName): string {
  return `${agent}/run/${runId}/step/${step}/${attempt}`;
}

/** An issuer is a URL without fragment, so the first `#` ends it, and two principals never share an id. */
function principalId({ iss, sub }: Principal): string {
  if (iss.includes("#")) throw invalidField("principal.iss", "an issuer without fragment");
  return `${iss}#${sub}`;
}
