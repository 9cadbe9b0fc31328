import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import type { VerifiedStep } from "../verifier/index.ts";
import { isGranted } from "../verifier/tool-use.ts";
import { type GuardSettings, isOtherMethod } from "./guard-settings.ts";

/** What a client is told of a server, made to say no more than what this step gets there. */
export type ResultView = (result: JsonObject) => JsonObject;

/** By whose methods each of these is used. */
const METHODS_OF_CAPABILITY: Readonly<Record<string, string>> = {
  resources: "resources/",
  prompts: "prompts/",
  completions: "completion/",
  logging: "logging/",
  tasks: "tasks/",
};
const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";
/** What these promise is told on a stream of no call's: that of a GET, which is refused, and since 2026-07-28 this method's. */
const NEWS = ["listChanged", "subscribe"];
const NEWS_METHOD = "subscriptions/listen";

/**
 * How the result of a method has to be changed; `undefined`: not at all.
 *
 * @param modern - whether the request is of MCP 2026-07-28 or later.
 */
export function resultViewOf(
  settings: GuardSettings,
  verified: VerifiedStep,
  method: string,
  modern: boolean,
): ResultView | undefined {
  switch (method) {
    case "tools/list":
      return (result) => toolsSeen(settings, verified, result, modern);
    case "initialize":
    case "server/discover":
      return (result) => capabilitiesSeen(settings.otherMethods, result, modern);
    default:
      return undefined;
  }
}

/** The tools that the step may call. A cache must not give them to another, who may call others. */
function toolsSeen({ tools }: GuardSettings, verified: VerifiedStep, result: JsonObject, modern: boolean): JsonObject {
  const isSeen = (listed: unknown) => {
    const name = isObject(listed) ? listed["name"] : undefined;
    const needs = typeof name === "string" ? tools.get(name) : undefined;
    return needs !== undefined && isGranted(verified, { tool: name as string, ...needs });
  };
  const { tools: listed } = result;
  const seen = Array.isArray(listed) ? listed.filter(isSeen) : [];
  return { ...result, tools: seen, ...((modern || "cacheScope" in result) && { cacheScope: "private" }) };
}

/** What the guard refuses is no feature of the server here. */
function capabilitiesSeen(otherMethods: readonly string[], result: JsonObject, modern: boolean): JsonObject {
  const { capabilities } = result;
  if (!isObject(capabilities)) return result;
  const isLetThrough = (begin: string) => otherMethods.some((method) => method.startsWith(begin));
  const isSeen = (name: string) => {
    // Since then each request says by itself what of the log it wants.
    if (name === "logging" && modern) return true;
    const methods = Object.hasOwn(METHODS_OF_CAPABILITY, name) ? METHODS_OF_CAPABILITY[name] : undefined;
    return methods === undefined || isLetThrough(methods);
  };
  const hasNews = modern && isOtherMethod(otherMethods, NEWS_METHOD);
  const seen = Object.entries(capabilities)
    .filter(([name]) => isSeen(name))
    .map(([name, value]) => {
      if (!isObject(value)) return [name, value];
      if (name === "extensions") return [name, isLetThrough("tasks/") ? value : without(value, [TASKS_EXTENSION])];
      return [name, hasNews ? value : without(value, NEWS)];
    });
  return { ...result, capabilities: Object.fromEntries(seen) };
}

function without(value: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}
