import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Answer } from "../sdk/mcp-guard/answer.ts";
import type { GuardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import { readBody } from "../sdk/mcp-guard/json-rpc-message.ts";
import { createAnswerListener } from "../sdk/mcp-guard/node-listener.ts";
import { createAdmission } from "./admission.ts";
import { BridgeRefusal, refusedAnswer, refusedBy } from "./bridge-refusal.ts";
import { createForward, type ForwardTerms } from "./forward.ts";

/** A server that clients reach by the bridge. */
export type BridgedServer = {
  /** As the client's configuration has it. */
  readonly name: string;
  /** Where it really is, below a location of the step's grant. */
  readonly url: string;
};

export type Bridge = {
  /** What a client's `Authorization` has to say: it holds the secret. */
  readonly authorization: string;
  /** Where a client finds the server. */
  urlOf(name: string): string;
  /** Ends all connections; the secret is worth nothing then. */
  close(): void;
};

const LOOPBACK = "127.0.0.1";
/** Larger than any guard of ours takes; what a server takes is its own to say. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
const METHODS: readonly string[] = ["GET", "POST", "DELETE"];

/**
 * Listens on the loopback address for clients that nobody changes, and passes what they ask on as a step.
 *
 * @param servers - those that may be asked, and no others.
 */
export async function startBridge(servers: readonly BridgedServer[], terms: ForwardTerms): Promise<Bridge> {
  const urls = new Map(servers.map(({ name, url }) => [pathOf(name), url]));
  const admission = createAdmission();
  const forward = createForward(terms);
  const server = createServer();
  server.listen(0, LOOPBACK);
  await once(server, "listening");
  const authority = `${LOOPBACK}:${(server.address() as AddressInfo).port}`;
  const origin = `http://${authority}`;

  async function serve(request: GuardedRequest): Promise<Answer> {
    const { method, headers, signal } = request;
    admission.check(headers, authority);
    const url = urls.get(request.url.slice(origin.length));
    if (url === undefined) throw new BridgeRefusal("SERVER_UNKNOWN", "the step has no server of this name");
    if (!METHODS.includes(method)) throw new BridgeRefusal("HTTP_METHOD_REFUSED", "MCP has GET, POST and DELETE");
    const body = method === "POST" ? await bodyOf(request) : undefined;
    return forward(url, { method, headers, body, signal });
  }

  /** A model that has found the secret must not be able to hand it on. */
  async function bodyOf(request: GuardedRequest): Promise<Uint8Array<ArrayBuffer>> {
    const body = await readBody(request, BODY_BYTES_MAX);
    if (body === undefined) {
      throw new BridgeRefusal("BODY_TOO_LARGE", `a message must be at most ${BODY_BYTES_MAX} bytes`);
    }
    if (admission.isIn(body)) throw new BridgeRefusal("SECRET_IN_BODY", "the message holds the bridge's secret");
    return body as Uint8Array<ArrayBuffer>;
  }

  async function served(request: GuardedRequest): Promise<Answer> {
    try {
      return await serve(request);
    } catch (thrown) {
      const refused = refusedBy(thrown);
      if (refused === undefined) throw thrown;
      return refusedAnswer(refused, undefined);
    }
  }

  const onError = (thrown: unknown) =>
    terms.told(`an answer failed: ${thrown instanceof Error ? thrown.name : "unknown"}`);
  server.on("request", createAnswerListener(origin, served, onError));
  return {
    authorization: admission.authorization,
    urlOf: (name) => `${origin}${pathOf(name)}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function pathOf(name: string): string {
  return `/${encodeURIComponent(name)}`;
}
