import { formatGrant } from "../../domain/grant.ts";
import {
  Effect,
  type EvaluatedRequest,
  type ExplainedElement,
  type ExplainedPolicy,
  type ExplainResponse,
  type LeftOut,
  type OpenerFacts,
  type PassingChange,
  type PolicyEffect,
} from "../../gen/stint/v1/history_pb.js";
import type { GrantElement } from "../../gen/stint/v1/types_pb.js";
import { denialLayerOf } from "../../wire/denial-details.ts";
import { knownGrantOf } from "../../wire/grant-message.ts";
import { instantCell } from "./fields.ts";
import { showControls } from "./show-controls.ts";
import { formatFields } from "./table.ts";
import type { DataRecord } from "./view.ts";

/** An explanation as a page for people. Its first three lines say what happened, why, and what now. */
export function formatExplanation(explained: ExplainResponse): string {
  return [
    formatFields(headlines(explained)),
    section("asked", requestFields(explained)),
    list("elements", elementLines(explained)),
    list(
      "ended with it",
      explained.closes.map(({ agent, stepName, stepId }) => `${nameText(stepName)} of ${agent} (${stepId})`),
    ),
    policySection(explained.policies),
    changesSection(explained),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function headlines(explained: ExplainResponse): DataRecord {
  const { decision } = explained;
  const isDenied = decision?.effect === Effect.DENY;
  const who = decision?.agent === undefined || decision.agent === "" ? "" : `agent ${decision.agent}, `;
  const what = decision?.stepName === undefined ? "" : `step ${nameText(decision.stepName)}, `;
  const count = decision?.count ?? 1;
  const times = count > 1 ? ` (${count} times)` : "";
  const reason = isDenied ? `: ${decision?.reason ?? ""}${times}` : "";
  return {
    [isDenied ? "denied" : "allowed"]: `${who}${what}${instantCell(decision?.decidedAt)}${reason}`,
    why: firstOf(isDenied ? refusals(explained) : permits(explained)) ?? decision?.message ?? "",
    ...(isDenied ? { now: firstOf(explained.changes.map(changeText)) ?? nothingPasses(explained) } : {}),
  };
}

function firstOf([first, ...others]: readonly string[]): string | undefined {
  if (first === undefined || others.length === 0) return first;
  return `${first} (and ${others.length} more, below)`;
}

function nothingPasses({ unsearched }: ExplainResponse): string {
  const tried = "no smaller request, approval or lower risk that was tried would have passed";
  return unsearched === "" ? tried : `not known: ${unsearched}`;
}

/** What stood in the way, the most telling first. */
function refusals(explained: ExplainResponse): readonly string[] {
  const { decision, whole, elements, policies, endsParent } = explained;
  if (decision !== undefined && isToldBest(explained)) return [decision.message];
  const ofWhole = whole?.effect === Effect.DENY ? [`${denierText(whole, policies)} the step as a whole`] : [];
  const ofParent = endsParent
    ? ["what it asks for would put its own parent out of bounds, which would end with it"]
    : [];
  const ofElements = elements.flatMap((one) => {
    if (!one.refused || one.element === undefined) return [];
    const said = elementText(one.element);
    const layer = denialLayerOf(one.refusedBy);
    if (layer === "ceiling") return [`above the ceiling of the agent's entry: ${said}`];
    if (layer === "parent") return [`above the parent step's grant: ${said}`];
    if (layer === undefined) return [`above the ceiling, or the parent step's grant: ${said}`];
    if (one.effect?.effect === Effect.DENY) return [`${denierText(one.effect, policies)} ${said}`];
    return ofWhole.length + ofParent.length > 0 ? [] : [`a policy refused ${said}`];
  });
  const found = [...ofWhole, ...ofParent, ...ofElements];
  return found.length > 0 || decision === undefined || decision.message === "" ? found : [decision.message];
}

/**
 * Where no policy was asked, elements say only that they were refused, and not over what: a budget, a token or a role may
 * have stood in the way as well as a ceiling or a parent. What the caller was told does.
 */
function isToldBest({ decision, request, elements }: ExplainResponse): boolean {
  const isByPolicy = elements.some(({ refusedBy }) => denialLayerOf(refusedBy) === "policy");
  return request === undefined && !isByPolicy && decision?.message !== "";
}

function permits({ decision, request }: ExplainResponse): readonly string[] {
  const policies = decision?.determiningPolicies ?? [];
  const approved = request === undefined || request.approved === "" ? "" : `, with the approval of ${request.approved}`;
  return policies.length === 0 ? [] : [`permitted by ${policies.join(", ")}${approved}`];
}

function denierText({ policies: ids, errors }: PolicyEffect, policies: readonly ExplainedPolicy[]): string {
  const place = (id: string) => {
    const { file = "", line = 0 } = policies.find(({ policyId }) => policyId === id) ?? {};
    return file === "" ? id : `${id} (${file}:${line})`;
  };
  if (errors.length > 0) return `${errors.map(place).join(", ")} could not be evaluated, which denies`;
  return ids.length === 0 ? "no policy permits" : `${ids.map(place).join(", ")} forbid${ids.length === 1 ? "s" : ""}`;
}

function requestFields({ decision, request, notAsked }: ExplainResponse): DataRecord {
  const asked: DataRecord = request === undefined ? openerFields(decision?.opening) : evaluatedFields(request);
  return {
    decision: decision?.decisionId ?? "",
    "asked by": decision?.callerEntryId ?? "",
    told: decision?.message ?? "",
    "not asked again": notAsked,
    ...asked,
  };
}

function evaluatedFields(request: EvaluatedRequest): DataRecord {
  const { principal, parent, domainRisk, agentRisk, runRisk, grantedClasses, grantedActions } = request;
  const granted = [...grantedActions, ...grantedClasses];
  const known = principal === undefined || principal.subject === "" ? undefined : principal;
  return {
    at: instantCell(request.at),
    act: request.act,
    policies: `version ${request.policyVersion}, root ${request.policyRoot}`,
    runtime: request.runtime,
    "works for": known === undefined ? (principal?.principalId ?? "") : `${known.subject} of ${known.issuer}`,
    workflow: request.workflow,
    "approved by": approvalText(request),
    parent: parent === undefined ? "" : `${nameText(parent.stepName)} of ${parent.agent}, depth ${request.depth}`,
    "run before it": `steps ${request.steps}, open ${request.stepsOpen}; granted ${granted.length === 0 ? "nothing" : granted.join(", ")}`,
    "confined to": request.confined ? confinedText(request.confinedTo) : "",
    risk: `domain ${domainRisk}, agent ${agentRisk}, run ${runRisk}`,
    selectors: request.selectors.join(" "),
  };
}

/** Of a step that was opened while there was no policy to ask. */
function openerFields(opening: OpenerFacts | undefined): DataRecord {
  if (opening === undefined) return {};
  const { runtime, parent, parentAgent, selectors } = opening;
  return {
    runtime,
    parent: parent === undefined ? "" : `${nameText(parent)} of ${parentAgent}`,
    selectors: selectors.join(" "),
  };
}

function approvalText({ approved, approvedPolicies }: EvaluatedRequest): string {
  return approvedPolicies.length === 0 ? approved : `${approved}, for ${approvedPolicies.join(", ")}`;
}

function confinedText(locations: readonly string[]): string {
  return locations.length === 0 ? "nowhere: it may not write, execute or move data at all" : locations.join(", ");
}

/** Each with how many calls of it were left, where those are fewer than were asked for. */
function elementLines({ decision, elements }: ExplainResponse): readonly string[] {
  const fewer = new Map(decision?.situation?.fewerCalls.map(({ element, calls }) => [element, calls]));
  return elements.map((one, index) => {
    const calls = fewer.get(index);
    const left = calls === undefined ? "" : `; ceiling or parent left no more than ${calls} ${callsText(calls)}`;
    return `${elementLine(one)}${left}`;
  });
}

function callsText(calls: number): string {
  return calls === 1 ? "call" : "calls";
}

function elementLine({ element, refused, refusedBy, effect }: ExplainedElement): string {
  const said = element === undefined ? "" : elementText(element);
  const layer = denialLayerOf(refusedBy);
  const by = effect === undefined ? [] : [...effect.policies, ...effect.errors.map((id) => `${id} (error)`)];
  const who = [...(layer === undefined ? [] : [layer]), ...(by.length === 0 ? [] : [by.join(", ")])].join(": ");
  const approvable =
    effect?.approval === undefined || effect.approval === "" ? "" : `; ${effect.approval} may approve it`;
  return `${refused ? "refused  " : "permitted"} ${said}${who === "" ? "" : ` by ${who}`}${approvable}`;
}

function policySection(policies: readonly ExplainedPolicy[]): string {
  const shown = policies.filter(({ file }) => file !== "");
  const texts = shown.map(({ policyId, file, line, text }) => {
    const source = text.split("\n").map((one, index) => `${String(line + index).padStart(6)}  ${showControls(one)}\n`);
    return `  ${showControls(`${policyId}  ${file}:${line}`)}\n${text === "" ? "" : source.join("")}`;
  });
  return texts.length === 0 ? "" : `policies:\n${texts.join("")}`;
}

function changesSection({ changes, unsearched, decision }: ExplainResponse): string {
  if (decision?.effect !== Effect.DENY || changes.length === 0) return "";
  const more = unsearched === "" ? [] : [unsearched];
  return list("would have passed, by what is recorded", [...changes.map(changeText), ...more]);
}

function changeText(change: PassingChange): string {
  const { without, withoutParent, riskAtMost, approval } = change;
  return [
    ...(without.length === 0 ? [] : [`without ${without.map(leftOutText).join("; without ")}`]),
    ...(withoutParent ? ["opened by itself, and not below the parent"] : []),
    ...(riskAtMost === ""
      ? []
      : [riskAtMost === "low" ? "once no risk is above low" : `once no risk is above ${riskAtMost}`]),
    ...(approval === "" ? [] : [`with the approval of ${approval}`]),
  ].join(", and ");
}

function leftOutText({ element, maxCalls, actions, locations, datatypes }: LeftOut): string {
  if (element === undefined) return "";
  const parts = [
    ...(maxCalls === undefined ? [] : [`more than ${maxCalls} ${callsText(maxCalls)}`]),
    ...(actions.length === 0 ? [] : [actions.join(", ")]),
    ...(locations.length === 0 ? [] : [`the server ${locations.join(", ")}`]),
    ...(datatypes.length === 0 ? [] : [`the class ${datatypes.join(", ")}`]),
  ];
  return parts.length === 0 ? elementText(element) : `${parts.join(" and ")} of ${element.identifier}`;
}

function elementText(element: GrantElement): string {
  const known = formatGrant(knownGrantOf({ $typeName: "stint.v1.Grant", elements: [element] }));
  return known === "" ? "an element that this version does not know" : known;
}

function nameText(
  name: { readonly runId: string; readonly step: string; readonly attempt: number } | undefined,
): string {
  if (name === undefined) return "";
  return `${name.runId}/${name.step}${name.attempt === 0 ? "" : `/${name.attempt}`}`;
}

function section(title: string, fields: DataRecord): string {
  const lines = formatFields(fields)
    .split("\n")
    .filter((line) => line !== "");
  return lines.length === 0 ? "" : `${title}:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}:\n${lines.map((line) => `  ${showControls(line)}\n`).join("")}`;
}
