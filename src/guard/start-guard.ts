import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { validateHostHeader } from "@modelcontextprotocol/server";
import { PULSE_MS } from "../sdk/mcp-guard/alive-answer.ts";
import { createGuardListener } from "../sdk/mcp-guard/guard.ts";
import { definitionsOf, type GuardSettings, guardSettingsOf } from "../sdk/mcp-guard/guard-settings.ts";
import type { NodeListener } from "../sdk/mcp-guard/node-listener.ts";
import { createVerifier, type ToolVerdict } from "../sdk/verifier/index.ts";
import { controlGroups } from "./control-group.ts";
import type { GuardConfig } from "./guard-config.ts";
import { createGuardHandler, type Reached } from "./guard-handler.ts";
import { environmentGroupOf, injectedTexts, toolCalledBy, withoutInjectedArguments } from "./injected-message.ts";
import { createSecrets, type Secrets } from "./secrets.ts";
import { createTightenedTools } from "./tightened-tools.ts";
import { createHttpUpstream } from "./upstream-http.ts";
import { createProcessUpstream } from "./upstream-process.ts";

export type RunningGuard = {
  /** Where it listens, as a URL without a path. */
  readonly url: string;
  /** Ends all connections, sessions and processes. */
  close(): Promise<void>;
};

export type GuardPorts = {
  /** The workload endpoint, by which the guard follows the broker. */
  readonly endpoint: string;
  /** Told, a line at a time, what an operator should know; no secret, no token and no argument is in it. */
  readonly told: (line: string) => void;
};

/**
 * Stands in front of a server that nobody changes: takes steps' credentials from its callers, and gives the server its own.
 *
 * @returns once it follows the broker and listens.
 * @throws UpstreamFailure SECRET_UNAVAILABLE; BrokerError as `createVerifier` and `ready` do
 */
export async function startGuard(config: GuardConfig, { endpoint, told }: GuardPorts): Promise<RunningGuard> {
  const { resource, injections } = config;
  const secrets = createSecrets(config.secrets, () => performance.now());
  // A secret that can't be had is found out now, and is in the net before the first answer.
  for (const name of Object.keys(config.secrets)) await secrets.valueOf(name);
  const said = (line: string) => told(`server: ${secrets.net().holds(line) ? "[withheld: it holds a secret]" : line}`);
  const reached: Reached =
    config.upstream.kind === "http"
      ? httpUpstream(config.upstream.url, config, secrets)
      : createProcessUpstream(config.upstream, {
          controlGroup: controlGroups(),
          groupOf: (tool) => environmentGroupOf(tool, injections),
          environment: (tool) => injectedTexts("environment", tool, injections, secrets),
          said,
        });

  const verifier = createVerifier({
    endpoint,
    audiences: [resource],
    development: config.development,
    reportUsage: config.reportUsage,
  });
  const onError = (thrown: unknown) => told(`error: ${thrown instanceof Error ? thrown.message : "unknown"}`);
  const options = {
    ...{ verifier, resource, issuer: config.issuer, tools: config.tools, proof: config.proof, onError },
    ...{ resources: config.resources, prompts: config.prompts, check: config.check },
    onSessionEnded: reached.endSession,
    pinTools: config.pinTools,
    onToolRefused: (tool: string, verdict: ToolVerdict) => told(refusedTool(resource, tool, verdict)),
    ...(config.otherMethods === undefined ? {} : { otherMethods: config.otherMethods }),
  };
  const declared = guardSettingsOf(options);
  const tightened = createTightenedTools(declared.tools, {
    checked: declared.checkedTools,
    checkedActions: config.check.actions,
    told: (tool) =>
      told(`the server says that ${JSON.stringify(tool)} changes something: calls need write from now on`),
  });
  const settings: GuardSettings = {
    ...declared,
    tools: tightened.tools,
    checkedTools: tightened.checked,
    // What the server says of a tool tightens its first call too.
    definitions: definitionsOf(options, declared.tools, true),
    listAsShown: (result) => withoutInjectedArguments(result, config.injections),
  };

  const handler = createGuardHandler({
    reached,
    injections,
    secrets,
    observeTools: tightened.observe,
    told,
    onError,
    pulseMs: PULSE_MS,
  });

  try {
    await verifier.ready();
    const server = serverOf(config, hostChecked(config, createGuardListener(settings, handler)));
    const { host } = config.listen;
    server.listen(config.listen.port, host);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      url: `${config.tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
      async close() {
        server.closeAllConnections();
        server.close();
        reached.close();
        await verifier[Symbol.asyncDispose]();
      },
    };
  } catch (thrown) {
    reached.close();
    await verifier[Symbol.asyncDispose]();
    throw thrown;
  }
}

function refusedTool(resource: string, tool: string, verdict: ToolVerdict): string {
  const how = {
    pinned: "is pinned",
    changed: "is defined otherwise than it is pinned",
    waiting: "waits to be accepted",
    unknown: "has a definition that is too large to be pinned",
  }[verdict];
  return `the server's tool ${JSON.stringify(tool)} ${how}, and is refused: stint tool show ${resource} ${tool}`;
}

function httpUpstream(url: string, { injections }: GuardConfig, secrets: Pick<Secrets, "valueOf">): Reached {
  const upstream = createHttpUpstream(url);
  const headersFor = (body: unknown) => injectedTexts("header", toolCalledBy(body), injections, secrets);
  return {
    serve: async (request, body) => upstream.ask(request, body, await headersFor(body)),
    // A session belongs to its step; the server is told that nobody comes back to it.
    endSession(id) {
      const headers = new Headers({ "mcp-session-id": id });
      const request = { method: "DELETE", headers, signal: AbortSignal.timeout(END_SESSION_MS) };
      void headersFor(undefined)
        .then((injected) => upstream.ask(request, undefined, injected))
        .catch(() => undefined);
    },
    close: upstream.close,
  };
}

const END_SESSION_MS = 10_000;

function serverOf({ tls }: GuardConfig, listener: RequestListener): Server {
  if (tls === undefined) return createHttpServer(listener);
  const [cert, key] = [readFileSync(tls.certificate), readFileSync(tls.privateKey)];
  // Any certificate: a token that is bound to one says which, and proves nothing without the right one.
  return createHttpsServer({ cert, key, requestCert: true, rejectUnauthorized: false }, listener);
}

/** A page in somebody's browser could have this machine under a name of its own (DNS rebinding). */
function hostChecked({ resource, listen }: GuardConfig, listener: NodeListener): RequestListener {
  const names = [new URL(resource).hostname, listen.host.includes(":") ? `[${listen.host}]` : listen.host];
  return (request, response) => {
    if (validateHostHeader(request.headers.host, names).ok) void listener(request, response);
    else response.writeHead(403).end();
  };
}
