import { isObject, type JsonObject } from "../../domain/strict-json.ts";

/**
 * What of a server's resources or prompts may be used, by URI or name: using it takes what calling a tool takes. At the end of
 * a name `*` stands for any rest; of several that fit, the first counts.
 */
export type NamedFeatures = readonly { readonly name: string; readonly tool: string }[];

/** Methods that use one resource or prompt, with where they name it. */
const NAMED_BY: Readonly<Record<string, { readonly kind: FeatureKind; readonly member: "uri" | "name" }>> = {
  "resources/read": { kind: "resources", member: "uri" },
  "resources/subscribe": { kind: "resources", member: "uri" },
  "prompts/get": { kind: "prompts", member: "name" },
};
/** Methods that list them: let through where any of them may be used. */
const LISTED_BY: Readonly<Record<string, FeatureKind>> = {
  "resources/list": "resources",
  "resources/templates/list": "resources",
  // Ends what may be begun.
  "resources/unsubscribe": "resources",
  "prompts/list": "prompts",
};

export type FeatureKind = "resources" | "prompts";
export type Features = Readonly<Record<FeatureKind, NamedFeatures>>;

/** What a message uses. */
export type FeatureUse = {
  readonly kind: FeatureKind;
  /** As it stands in the message; `undefined` where it names nothing. */
  readonly name: string | undefined;
  /** The tool whose grant it takes; `undefined` for what may not be used at all. */
  readonly tool: string | undefined;
};

/** What one resource or prompt a message uses; `undefined` where the method uses none, or none is told apart here. */
export function featureUseOf(features: Features, method: string, params: JsonObject): FeatureUse | undefined {
  if (method === "completion/complete") return completedOf(features, params["ref"]);
  const named = Object.hasOwn(NAMED_BY, method) ? NAMED_BY[method] : undefined;
  if (named === undefined || features[named.kind].length === 0) return undefined;
  return useOf(features, named.kind, params[named.member]);
}

/** A completion tells something of what it completes: a prompt, or a template of resources. */
function completedOf(features: Features, ref: unknown): FeatureUse | undefined {
  if (!isObject(ref)) return undefined;
  const isPrompt = ref["type"] === "ref/prompt";
  const kind: FeatureKind = isPrompt ? "prompts" : "resources";
  if (features[kind].length === 0) return undefined;
  const { name, uri } = ref;
  return isPrompt
    ? useOf(features, kind, name)
    : { ...useOf(features, kind, uri), tool: toolOfTemplate(features, uri) };
}

function useOf(features: Features, kind: FeatureKind, name: unknown): FeatureUse {
  if (typeof name !== "string") return { kind, name: undefined, tool: undefined };
  return { kind, name, tool: toolOf(features[kind], name) };
}

/** Whether a method lists what may be used here. */
export function listsFeatures(features: Features, method: string): boolean {
  const kind = Object.hasOwn(LISTED_BY, method) ? LISTED_BY[method] : undefined;
  return kind !== undefined && features[kind].length > 0;
}

/** Where a header names what a message uses, the header must say the same as the body. */
export function featureHeaderOf(features: Features, method: string): "uri" | "name" | undefined {
  const named = Object.hasOwn(NAMED_BY, method) ? NAMED_BY[method] : undefined;
  return named === undefined || method === "resources/subscribe" || features[named.kind].length === 0
    ? undefined
    : named.member;
}

/**
 * A result of a list with what is `seen` alone; what has no such list stays as it is.
 *
 * @param seen - by the tool whose grant it takes.
 */
export function featuresSeen(features: Features, result: JsonObject, seen: (tool: string) => boolean): JsonObject {
  const isSeen = (tool: string | undefined) => tool !== undefined && seen(tool);
  const only = (member: string, toolOfListed: (one: JsonObject) => string | undefined) => {
    const listed = result[member];
    if (!Array.isArray(listed)) return {};
    return { [member]: listed.filter((one) => isObject(one) && isSeen(toolOfListed(one))) };
  };
  return {
    ...result,
    ...only("resources", ({ uri }) => (typeof uri === "string" ? toolOf(features.resources, uri) : undefined)),
    ...only("resourceTemplates", ({ uriTemplate }) => toolOfTemplate(features, uriTemplate)),
    ...only("prompts", ({ name }) => (typeof name === "string" ? toolOf(features.prompts, name) : undefined)),
  };
}

function toolOf(features: NamedFeatures, name: string): string | undefined {
  return features.find((one) => fits(one.name, name))?.tool;
}

/** Of a template the text before its first variable has to fit: whatever it is expanded to begins so. */
function toolOfTemplate({ resources }: Features, template: unknown): string | undefined {
  if (typeof template !== "string") return undefined;
  const [begin = ""] = template.split("{");
  if (begin === template) return toolOf(resources, template);
  return resources.find(({ name }) => name.endsWith("*") && begin.startsWith(name.slice(0, -1)))?.tool;
}

function fits(pattern: string, name: string): boolean {
  if (!pattern.endsWith("*")) return name === pattern;
  const begin = pattern.slice(0, -1);
  return name.startsWith(begin) && leadsNowhereElse(name.slice(begin.length));
}

/** No way back up in it: `file:///docs/*` must not have `file:///docs/../keys`, however the dots and strokes are written. */
function leadsNowhereElse(rest: string): boolean {
  let plain = rest;
  // What a server decodes twice is looked at twice; what is no encoding stays as it is, whatever stands beside it.
  for (let times = 0; times < DECODED_TIMES && plain.includes("%"); times += 1) {
    plain = plain.replaceAll(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  return !plain.split(/[/\\]/).some((segment) => segment === "." || segment === "..") && !plain.includes("\0");
}

const DECODED_TIMES = 3;
