import { isObject, type JsonObject, parseStrictObject } from "../../domain/strict-json.ts";
import type { PolicyAnswer, PolicyEffect } from "../../ports/policy-engine.ts";

/** What OPA sent back. */
export type OpaAnswer = {
  readonly status: number;
  /** Or why it was not read: it is longer than an answer may be, or compressed, which was not asked for. */
  readonly body: Uint8Array | "too_large" | "encoded";
};

/** Why an answer is no decision. */
export type NoDecision = {
  readonly kind: "no-decision";
  /** For the record, of a closed form: `undefined`, `warning`, `malformed`, `too_large`, `encoded`, `status_404`, or OPA's code. */
  readonly reason: string;
  /** For the log alone. */
  readonly detail: string;
};

const OPA_CODE = /^[a-z][a-z_]{0,63}$/;
const POLICY_NAME = /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$/;
/** Names of policies in one answer, each counted once: they become part of an event, which holds 65,535 bytes. */
const POLICIES_MAX = 64;

/**
 * The decision in an answer of OPA: `{"whole": EFFECT, "elements": [EFFECT, …]}` as `result`, where EFFECT is
 * `{"effect": "allow" | "deny", "policies": [NAME, …]}`. Anything else is none: an unknown member could be one that
 * takes something back.
 *
 * @param elements - how many effects there must be in `elements`.
 */
export function opaDecision({ status, body }: OpaAnswer, elements: number): PolicyAnswer | NoDecision {
  if (typeof body === "string") return noDecision(body, `answered ${status}, and the rest was not read`);
  const answer = parseStrictObject(body);
  if (status !== 200) return refusal(status, answer);
  if (answer === undefined) return malformed("it is not a JSON object without repeated members");
  // OPA warns, and evaluates all the same, where it was not asked as it expects to be.
  if ("warning" in answer) return noDecision("warning", `OPA warns: ${codeIn(answer["warning"]) ?? "no code"}`);
  const unknown = Object.keys(answer).some((name) => name !== "result" && name !== "decision_id");
  if (unknown) return malformed("beside result and decision_id it has another member");
  if (!("result" in answer)) return noDecision("undefined", "nothing is defined at this path for this input");
  return decisionIn(answer["result"], elements);
}

function decisionIn(result: unknown, count: number): PolicyAnswer | NoDecision {
  if (!hasMembers(result, ["whole", "elements"])) return malformed("result: not an object of whole and elements");
  const whole = effectIn(result["whole"]);
  if (whole === undefined) return malformed("result.whole: not an object of effect and policies");
  const list = result["elements"];
  const elements = Array.isArray(list) ? list.map(effectIn).filter((effect) => effect !== undefined) : [];
  if (!Array.isArray(list) || list.length !== count || elements.length !== count) {
    return malformed(`result.elements: not a list of ${count} objects of effect and policies`);
  }
  const names = new Set([whole, ...elements].flatMap(({ policies }) => policies));
  return names.size > POLICIES_MAX ? malformed(`more than ${POLICIES_MAX} policies`) : { whole, elements };
}

function effectIn(value: unknown): PolicyEffect | undefined {
  if (!hasMembers(value, ["effect", "policies"])) return undefined;
  const { effect, policies } = value;
  if ((effect !== "allow" && effect !== "deny") || !Array.isArray(policies)) return undefined;
  if (!policies.every((name) => typeof name === "string" && POLICY_NAME.test(name))) return undefined;
  return { effect, policies: [...new Set<string>(policies)].sort() };
}

function hasMembers<const Name extends string>(
  value: unknown,
  names: readonly Name[],
): value is Readonly<Record<Name, unknown>> {
  return (
    isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name))
  );
}

/** OPA's message may repeat parts of the input, so its code and the place in the policy are all that is taken. */
function refusal(status: number, answer: JsonObject | undefined): NoDecision {
  const [first] = Array.isArray(answer?.["errors"]) ? (answer["errors"] as unknown[]) : [];
  const code = codeIn(first) ?? codeIn(answer);
  const place = isObject(first) ? placeIn(first["location"]) : "";
  return noDecision(code ?? `status_${status}`, `answered ${status}${code === undefined ? "" : `, ${code}`}${place}`);
}

function codeIn(value: unknown): string | undefined {
  const code = isObject(value) ? value["code"] : undefined;
  return typeof code === "string" && OPA_CODE.test(code) ? code : undefined;
}

function placeIn(location: unknown): string {
  const row = isObject(location) ? location["row"] : undefined;
  const file = isObject(location) ? location["file"] : undefined;
  return typeof row === "number" && typeof file === "string"
    ? ` at ${JSON.stringify(file.slice(0, 256))}, line ${row}`
    : "";
}

function malformed(detail: string): NoDecision {
  return noDecision("malformed", detail);
}

function noDecision(reason: string, detail: string): NoDecision {
  return { kind: "no-decision", reason, detail };
}
