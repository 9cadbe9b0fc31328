import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import { expect, onTestFinished } from "vitest";
import type { OpaCredentials } from "../../../src/adapters/policy-opa/opa-connections.ts";
import { createOpaPolicy, type OpaOptions } from "../../../src/adapters/policy-opa/opa-policy.ts";
import { POLICY_MEMBERS_DEFAULT } from "../../../src/domain/policy-members.ts";
import type { PolicyAnswer } from "../../../src/ports/policy-engine.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { NOW } from "../../verify/token-forge.ts";
import { listening } from "../bundle-endpoint/endpoint-scene.ts";

// Whoever stands where OPA is expected, and does what OPA can't be made to do: real HTTP on loopback.

export const TIMEOUT_MS = 2_000;

export type Asked = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
};

const ALLOWED = { effect: "allow", policies: [] };
/** What allows a request of one element. */
export const ALLOW_ONE = JSON.stringify({ result: { whole: ALLOWED, elements: [ALLOWED] } });

/** A server that answers so once it has the whole question, and keeps what it was asked. */
export async function inOpasPlace(
  answer: RequestListener,
  tls?: ServerOptions,
): Promise<{ readonly url: string; readonly asked: Asked[]; readonly server: Server; connections(): number }> {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (part) => {
      body += part;
    });
    request.once("end", () => {
      asked.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(request, response);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  // Whoever closes a connection that is not used is the client.
  server.keepAliveTimeout = 0;
  let connections = 0;
  server.on(tls === undefined ? "connection" : "secureConnection", () => {
    connections += 1;
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  return { url, asked, server, connections: () => connections };
}

/** The adapter, by a clock that stands still, with what it told the log. */
export function opaAt(
  url: string,
  more: Partial<Pick<OpaOptions, "path" | "send" | "credentials">> & { readonly fixed?: OpaCredentials } = {},
) {
  const clock = virtualClock(NOW);
  const faults: string[] = [];
  const { fixed = {}, ...options } = more;
  const opa = createOpaPolicy({
    url,
    path: "stint/decision",
    send: POLICY_MEMBERS_DEFAULT,
    timeoutMs: TIMEOUT_MS,
    credentials: () => fixed,
    clock,
    log: { fault: (what, error) => void faults.push(`${what}: ${error instanceof Error ? error.message : error}`) },
    ...options,
  });
  onTestFinished(() => opa.close());
  return { clock, faults, opa };
}

/** The answer that denies one element, with this recorded. */
export function deniedFor(reason: string): PolicyAnswer {
  const denied = { effect: "deny", policies: [], errors: [reason] } as const;
  return { whole: denied, elements: [denied] };
}

/** How a question without an answer ends; for the log, this is a part of why. */
export function silent(detail: string) {
  return {
    code: "NOT_SERVING",
    message: "the external policy engine does not answer",
    detail: expect.stringContaining(detail),
  };
}
