import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { type Injection, PLACEHOLDER } from "./guard-config.ts";
import type { Secrets } from "./secrets.ts";

/** The tool that a message calls; `undefined` for any other message. */
export function toolCalledBy(message: unknown): string | undefined {
  if (!isObject(message) || message["method"] !== "tools/call" || !isObject(message["params"])) return undefined;
  const { name } = message["params"];
  return typeof name === "string" ? name : undefined;
}

/**
 * The headers that a message is sent with, or the variables of the process that it is sent to.
 *
 * @param tool - that the message calls, if it calls one.
 * @throws UpstreamFailure SECRET_UNAVAILABLE
 */
export async function injectedTexts(
  kind: "header" | "environment",
  tool: string | undefined,
  injections: readonly Injection[],
  secrets: Pick<Secrets, "valueOf">,
): Promise<Readonly<Record<string, string>>> {
  const texts: Record<string, string> = {};
  for (const injection of injections) {
    if (injection.kind !== kind || !concerns(injection, tool)) continue;
    texts[injection.name] = filled(injection.value, await secrets.valueOf(injection.secret));
  }
  return texts;
}

/** A name for the tools that are called with the same variables in their process; what calls no tool has those that all have. */
export function environmentGroupOf(tool: string | undefined, injections: readonly Injection[]): string {
  const isOwn = (injection: Injection) => injection.kind === "environment" && concerns(injection, tool);
  return injections.flatMap((injection, index) => (isOwn(injection) ? [index] : [])).join();
}

/** The message with the arguments that its tool is given here, whatever a client has put there. */
export async function injectedMessage(
  message: unknown,
  injections: readonly Injection[],
  secrets: Pick<Secrets, "valueOf">,
): Promise<unknown> {
  if (!isObject(message) || !isObject(message["params"])) return message;
  const tool = toolCalledBy(message);
  const given: Record<string, string> = {};
  for (const injection of injections) {
    if (injection.kind !== "argument" || !concerns(injection, tool)) continue;
    given[injection.name] = await secrets.valueOf(injection.secret);
  }
  if (Object.keys(given).length === 0) return message;
  const { params } = message;
  const own = isObject(params["arguments"]) ? params["arguments"] : {};
  return { ...message, params: { ...params, arguments: { ...own, ...given } } };
}

/** A result of `tools/list` that names no argument which the guard gives: a model would make something up for it. */
export function withoutInjectedArguments(result: JsonObject, injections: readonly Injection[]): JsonObject {
  const { tools } = result;
  if (!Array.isArray(tools)) return result;
  return { ...result, tools: tools.map((tool) => (isObject(tool) ? withoutArguments(tool, injections) : tool)) };
}

function withoutArguments(tool: JsonObject, injections: readonly Injection[]): JsonObject {
  const { name, inputSchema } = tool;
  const given = injections.flatMap((one) =>
    one.kind === "argument" && one.tools?.includes(String(name)) === true ? [one.name] : [],
  );
  if (given.length === 0 || !isObject(inputSchema)) return tool;
  const { properties, required } = inputSchema;
  const left = isObject(properties)
    ? { properties: Object.fromEntries(Object.entries(properties).filter(([key]) => !given.includes(key))) }
    : {};
  const needed = Array.isArray(required) ? { required: required.filter((key) => !given.includes(String(key))) } : {};
  return { ...tool, inputSchema: { ...inputSchema, ...left, ...needed } };
}

function concerns({ tools }: Injection, tool: string | undefined): boolean {
  return tools === undefined || (tool !== undefined && tools.includes(tool));
}

function filled(text: string, secret: string): string {
  return text.split(PLACEHOLDER).join(secret);
}
