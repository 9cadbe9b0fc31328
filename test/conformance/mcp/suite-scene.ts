import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as forward, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { validateHostHeader } from "@modelcontextprotocol/server";
import { onTestFinished } from "vitest";
import { createMcpGuard, type McpFetch, type NodeListener, OTHER_METHODS } from "../../../src/sdk/mcp/index.ts";
import { createNodeListener } from "../../../src/sdk/mcp-guard/node-listener.ts";
import { createStint } from "../../../src/sdk/runtime/index.ts";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";
import { startDaemon } from "../../daemon.ts";
import { guardScene, RESOURCE } from "../../guard/guard-scene.ts";
import { SUITE_TOOLS } from "./everything-tools.ts";

/** Every method that the suite's server has beside its tools. */
const METHODS = [
  ...OTHER_METHODS,
  ...["resources/*", "prompts/*", "completion/complete", "logging/setLevel", "subscriptions/listen"],
];

async function listening(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** As README's sample does, of which the guard asks it: it looks at `resource` alone. */
function behindHostCheck(listener: NodeListener): RequestListener {
  return (request, response) => {
    if (validateHostHeader(request.headers.host, ["127.0.0.1"]).ok) void listener(request, response);
    else response.writeHead(403).end();
  };
}

/** @returns the URL of a server that has nothing in front. */
export function plainServer(handler: McpFetch): Promise<string> {
  const nobody = { token: "", clientId: "", scopes: [], expiresAt: 0, resource: new URL("http://127.0.0.1/mcp") };
  const authInfo = { ...nobody, resourceMetadataUrl: "", extra: {} };
  const serve = (request: Request, parsedBody: unknown) => handler(request, { authInfo, parsedBody });
  return listening(behindHostCheck(createNodeListener("http://127.0.0.1/mcp", serve, () => undefined)));
}

/**
 * The same server behind the guard, a broker, and a step whose token goes with each request: the suite's clients have none, so
 * something between adds it, and nothing else.
 *
 * @returns the URL at which that listens.
 */
export async function guardedServer(handler: McpFetch): Promise<string> {
  let listener: RequestListener | undefined;
  const resource = await listening((request, response) => void listener?.(request, response));
  const needs = { actions: ["read"], datatypes: ["internal"] } as const;
  const grant = [{ type: "mcp_tool", locations: [resource], identifier: "*", ...needs }] as const;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "suite", selectors, ceiling: grant },
      { kind: "runtime", name: "flow", selectors, agents: ["suite"] },
      { kind: "verifier", name: "everything", selectors, audiences: [resource] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  const stint = createStint({ endpoint, agent: "suite" });
  const verifier = createVerifier({ endpoint, audiences: [resource], development: true });
  onTestFinished(async () => {
    stint.close();
    verifier.close();
    await daemon[Symbol.asyncDispose]();
  });
  await verifier.ready();
  const tools = Object.fromEntries(SUITE_TOOLS.map(({ name }) => [name, needs]));
  const issuer = "https://broker.example.org";
  const guard = createMcpGuard({ verifier, resource, issuer, tools, otherMethods: METHODS });
  listener = behindHostCheck(guard.listener(handler));
  const step = await stint.openStep({ runId: "conformance", step: "suite", grant });
  return withToken(resource, async () => (await step.jwtSvid(resource)).authorization());
}

/** The same server behind `stint guard`, which knows it by its URL alone. */
export async function guardedByProgram(handler: McpFetch): Promise<string> {
  const scene = await guardScene();
  onTestFinished(() => scene.close());
  const needs = { actions: ["read"], datatypes: ["internal"] };
  const guard = await scene.guard({
    upstream: { url: await plainServer(handler) },
    tools: Object.fromEntries(SUITE_TOOLS.map(({ name }) => [name, needs])),
    other_methods: METHODS,
  });
  const step = await scene.writingStep("*");
  return withToken(`${guard.url}/mcp`, async () => (await step.jwtSvid(RESOURCE)).authorization());
}

/** What adds a step's token to each request, and nothing else. */
function withToken(url: string, authorization: () => Promise<string>): Promise<string> {
  return listening(async (request, response) => {
    const headers = { ...request.headers, authorization: await authorization() };
    const forwarded = forward(url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    // A client that has left leaves there too.
    response.on("close", () => forwarded.destroy());
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
}

/** A folder that goes with the test. */
export function resultsFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "stint-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
