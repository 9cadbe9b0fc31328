import { randomUUID } from "node:crypto";
import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { type Answer, discard, textOfAnswer } from "./answer.ts";
import { isEventStream, isJson } from "./content-type.ts";
import { ANSWER_CHARACTERS_MAX } from "./text-of.ts";
import type { LookAtList } from "./tool-definitions.ts";
import { wholeEvents } from "./whole-events.ts";

/** Asks the server one question as the step. */
export type AskServer = (message: JsonObject) => Promise<Answer>;

/** Pages of one list: a server that goes on for longer has more tools than anybody names. */
const PAGES_MAX = 64;
/** What stands in `_meta` of every request since 2026-07-28; what a client wants to hear of its own request is not the guard's. */
const OWN_META = "io.modelcontextprotocol/";

/**
 * Reads a server's whole list of tools.
 *
 * @param meta - `_meta` of the request for which it is read.
 */
export function ownList(ask: AskServer, meta: unknown): LookAtList {
  const kept = Object.entries(isObject(meta) ? meta : {}).filter(([name]) => name.startsWith(OWN_META));
  const common = kept.length === 0 ? {} : { _meta: Object.fromEntries(kept) };
  return async (page) => {
    let cursor: unknown;
    for (let count = 0; count < PAGES_MAX; count += 1) {
      const id = `stint ${randomUUID()}`;
      const params = { ...common, ...(cursor === undefined ? {} : { cursor }) };
      const result = await resultOf(await ask({ jsonrpc: "2.0", id, method: "tools/list", params }), id);
      await page(result, cursor === undefined);
      cursor = result["nextCursor"];
      if (typeof cursor !== "string") return;
    }
    throw new RangeError(`a list of tools of more than ${PAGES_MAX} pages`);
  };
}

/** @throws TypeError for an answer without a result */
async function resultOf(answer: Answer, id: string): Promise<JsonObject> {
  const message = await messageIn(answer, id);
  if (message !== undefined && isObject(message["result"])) return message["result"];
  throw new TypeError("the server does not answer tools/list");
}

async function messageIn(answer: Answer, id: string): Promise<JsonObject | undefined> {
  const { body, headers } = answer;
  if (isJson(headers)) return answerIn(await textOfAnswer(answer), id);
  if (!(body instanceof ReadableStream) || !isEventStream(headers)) {
    await discard(answer);
    return undefined;
  }
  const decoder = new TextDecoder();
  const events = wholeEvents(ANSWER_CHARACTERS_MAX);
  for await (const chunk of body) {
    for (const event of events.take(decoder.decode(chunk, { stream: true }))) {
      const found = answerIn(dataOf(event), id);
      // Whoever leaves the loop cancels the rest.
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function answerIn(text: string, id: string): JsonObject | undefined {
  if (text === "") return undefined;
  const message: unknown = JSON.parse(text);
  return isObject(message) && message["id"] === id ? message : undefined;
}

function dataOf(event: string): string {
  const lines = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice("data:".length).replace(/^ /, "")).join("\n");
}
