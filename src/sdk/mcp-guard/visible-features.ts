import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import type { ToolUse, VerifiedStep } from "../verifier/index.ts";
import { isGranted } from "../verifier/tool-use.ts";
import { type GuardSettings, isOtherMethod, type ToolNeeds } from "./guard-settings.ts";
import { featuresSeen, listsFeatures } from "./named-features.ts";

/**
 * What a client is told of a server, made to say no more than what this step gets there.
 *
 * @param inSession - whether the result is of a session, which has a stream for what no request asked for.
 */
export type ResultView = (result: JsonObject, inSession: boolean) => JsonObject | Promise<JsonObject>;

/** By whose methods each of these is used. */
const METHODS_OF_CAPABILITY: Readonly<Record<string, string>> = {
  resources: "resources/",
  prompts: "prompts/",
  completions: "completion/",
  logging: "logging/",
  tasks: "tasks/",
};
const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";
/** What these promise is told on a stream of no call's: that of a session, and since 2026-07-28 this method's. */
const NEWS = ["listChanged", "subscribe"];
const NEWS_METHOD = "subscriptions/listen";
/** Before, of resources one is told in the session's stream once one has asked by this method. */
const SUBSCRIBE_METHOD = "resources/subscribe";

const KIND_OF_LIST = { resources: "resources", resourceTemplates: "resources", prompts: "prompts" } as const;
const FEATURE_LISTS = Object.keys(KIND_OF_LIST) as (keyof typeof KIND_OF_LIST)[];

/**
 * How the result of a method has to be changed; `undefined`: not at all.
 *
 * @param message.isFirst - of a list, whether the request is for its first page.
 * @param modern - whether the request is of MCP 2026-07-28 or later.
 */
export function resultViewOf(
  settings: GuardSettings,
  verified: VerifiedStep,
  { method, isFirst }: { readonly method: string; readonly isFirst: boolean },
  modern: boolean,
): ResultView | undefined {
  switch (method) {
    case "tools/list":
      return (result) => toolsSeen(settings, verified, result, { modern, isFirst });
    case "resources/list":
    case "resources/templates/list":
    case "prompts/list":
      if (!listsFeatures(settings.features, method)) return undefined;
      return (result) => featuresOf(settings, verified, result, modern);
    case "initialize":
    case "server/discover":
      return (result, inSession) => capabilitiesSeen(settings, result, modern, inSession);
    default:
      return undefined;
  }
}

/** The same for what a session's stream repeats: there, no answer says which method it is of. */
export function repeatedResultViewOf(settings: GuardSettings, verified: VerifiedStep): ResultView {
  return (result, inSession) => {
    // A call's result could have anything beside its content.
    if (Array.isArray(result["tools"]) && !("content" in result)) {
      return toolsSeen(settings, verified, result, { modern: false, isFirst: false });
    }
    if (FEATURE_LISTS.some((list) => Array.isArray(result[list])) && !("content" in result)) {
      return featuresOf(settings, verified, result, false);
    }
    if ("protocolVersion" in result) return capabilitiesSeen(settings, result, false, inSession);
    return result;
  };
}

/**
 * The tools that the step may call, as they are pinned: of another definition no model reads anything. A cache must not give them to
 * another, who may call others.
 */
async function toolsSeen(
  { tools, definitions, listAsShown }: GuardSettings,
  verified: VerifiedStep,
  result: JsonObject,
  { modern, isFirst }: { readonly modern: boolean; readonly isFirst: boolean },
): Promise<JsonObject> {
  await definitions.listed(result, verified, isFirst);
  const isSeen = (listed: unknown) => {
    const name = isObject(listed) ? listed["name"] : undefined;
    const needs = typeof name === "string" ? tools.get(name) : undefined;
    if (needs === undefined || !definitions.isShown(name as string, verified)) return false;
    return isGranted(verified, useOf(name as string, needs, definitions.digest(name as string, verified)));
  };
  const { tools: listed } = result;
  const seen = Array.isArray(listed) ? listed.filter(isSeen) : [];
  return {
    ...listAsShown({ ...result, tools: seen }),
    ...((modern || "cacheScope" in result) && { cacheScope: "private" }),
  };
}

/** The resources or prompts that the step may use, where they are told apart. */
function featuresOf(settings: GuardSettings, verified: VerifiedStep, result: JsonObject, modern: boolean): JsonObject {
  const { features, tools, definitions } = settings;
  const isSeen = (tool: string) => {
    const needs = tools.get(tool);
    return needs !== undefined && isGranted(verified, useOf(tool, needs, definitions.digest(tool, verified)));
  };
  const isTold = FEATURE_LISTS.some((list) => list in result && features[KIND_OF_LIST[list]].length > 0);
  if (!isTold) return result;
  return {
    ...featuresSeen(features, result, isSeen),
    ...((modern || "cacheScope" in result) && { cacheScope: "private" }),
  };
}

/** What a call takes, under the definition that its caller is shown. */
export function useOf(tool: string, { actions, datatypes }: ToolNeeds, definitionSha256: string | undefined): ToolUse {
  return { tool, actions, datatypes, ...(definitionSha256 === undefined ? {} : { definitionSha256 }) };
}

/** What the guard refuses is no feature of the server here. */
function capabilitiesSeen(
  { otherMethods, features }: Pick<GuardSettings, "otherMethods" | "features">,
  result: JsonObject,
  modern: boolean,
  inSession: boolean,
): JsonObject {
  const { capabilities } = result;
  if (!isObject(capabilities)) return result;
  const isLetThrough = (begin: string) =>
    otherMethods.some((method) => method.startsWith(begin)) || listsFeatures(features, `${begin}list`);
  const isSeen = (name: string) => {
    // Since then each request says by itself what of the log it wants.
    if (name === "logging" && modern) return true;
    const methods = Object.hasOwn(METHODS_OF_CAPABILITY, name) ? METHODS_OF_CAPABILITY[name] : undefined;
    return methods === undefined || isLetThrough(methods);
  };
  const hasNews = modern ? isOtherMethod(otherMethods, NEWS_METHOD) : inSession;
  const maySubscribe = features.resources.length > 0 || isOtherMethod(otherMethods, SUBSCRIBE_METHOD);
  const subscribes = hasNews && (modern || maySubscribe);
  const unseen = NEWS.filter((name) => !(name === "subscribe" ? subscribes : hasNews));
  const seen = Object.entries(capabilities)
    .filter(([name]) => isSeen(name))
    .map(([name, value]) => {
      if (!isObject(value)) return [name, value];
      if (name === "extensions") return [name, isLetThrough("tasks/") ? value : without(value, [TASKS_EXTENSION])];
      return [name, without(value, unseen)];
    });
  return { ...result, capabilities: Object.fromEntries(seen) };
}

function without(value: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}
