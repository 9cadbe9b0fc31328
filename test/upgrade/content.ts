import { appendFileSync, cpSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, vi } from "vitest";
import { toolDefinitionOf } from "../../src/domain/tool-definition.ts";
import type { Grant, Step } from "../../src/sdk/runtime/index.ts";
import type { Verifier } from "../../src/sdk/verifier/index.ts";
import { startOidcIssuer } from "../e2e/oidc-issuer.ts";
import type { Previous } from "./previous.ts";
import { ARCHIVE, json, newPlace, readingAt } from "./scene.ts";
import { sdkOf } from "./sdks.ts";

const NO_SECRETS = '@id("no-secrets")\nforbid (principal, action == Action::"retrieve_secret", resource);\n';
const BROKER = "https://broker.example.org";
const CALL = { tool: "search", actions: ["read"], datatypes: ["internal"] } as const;

/** An HTTP server that asks its verifier, as an MCP server would; the verifier comes when its broker is there. */
async function startResource() {
  let verifier: Verifier | undefined;
  const server = createServer((request, response) => {
    const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    response.writeHead(judged(verifier, token) === "accepted" ? 200 : 401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    guardedBy(one: Verifier) {
      verifier = one;
    },
  };
}

/** The code of a refusal, or `accepted`. */
export function judged(verifier: Verifier | undefined, token: string): string {
  try {
    verifier?.verify(token);
    return "accepted";
  } catch (thrown) {
    return String((thrown as { readonly code?: string }).code);
  }
}

/** A ledger that the previous version has made, with everything in it that it has, and whoever was there goes on. */
export async function startContent(previous: Previous) {
  const resource = await startResource();
  const issuer = await startOidcIssuer();
  onTestFinished(() => void issuer.close());
  const place = newPlace(resource.url, { principals: { issuers: [{ issuer: issuer.url, audience: BROKER }] } });
  const daemon = await place.start(previous);
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const { createStint } = (await sdkOf(previous)).runtime;
  const { createVerifier } = (await sdkOf(previous)).verifier;
  const verifier = createVerifier({
    endpoint: daemon.workloadSocket,
    audiences: [resource.url],
    development: true,
    reportUsage: true,
  });
  onTestFinished(() => verifier.close());
  resource.guardedBy(verifier);
  await verifier.ready();
  const runtime = createStint({
    endpoint: daemon.workloadSocket,
    agent: "researcher",
    // As long as the broker gives those that come back after a start; shorter than that is for who would rather know.
    holdGraceMs: 25_000,
  });
  onTestFinished(() => runtime.close());
  const grant = [readingAt(resource.url)] as Grant;
  const reading = (runId: string) => ({ runId, step: "search", grant });
  const tokenOf = async (step: Step) => (await step.jwtSvid(resource.url)).svid();
  const stint = place.stint(previous);

  const open = await runtime.openStep(reading("goes-on"));
  const token = await tokenOf(open);
  await open.x509Svid();
  expect((await open.fetch(resource.url)).status).toBe(200);
  verifier.report(verifier.verify(token), CALL, "served");
  const child = await open.openStep({ step: "below", grant });
  const principalToken = await issuer.token({ sub: "ada" }, BROKER);
  const leased = await runtime.openStep({ ...reading("leased"), leaseSeconds: 600, principalToken });

  const ended = await runtime.withStep(reading("completed"), async (step) => ({
    stepId: step.stepId,
    token: await tokenOf(step),
  }));
  await expect(
    runtime.withStep(reading("failed"), () => {
      throw new Error("as work does");
    }),
  ).rejects.toThrow("as work does");
  const denied = runtime.openStep({
    ...reading("denied"),
    grant: [{ ...readingAt("https://other.example/mcp") }] as Grant,
  });
  await expect(denied).rejects.toMatchObject({ name: "StintError" });

  const givenUp = new AbortController();
  const pending = runtime.openStep({
    ...reading("waits"),
    grant: [{ ...readingAt(ARCHIVE), actions: ["write"] }] as Grant,
    acceptPending: true,
    signal: givenUp.signal,
  });
  pending.catch(() => undefined);
  await vi.waitFor(async () => expect(await json(stint, "step", "list", "--state", "pending")).toHaveLength(1));

  const put = join(place.directory, "put");
  cpSync(join(place.directory, "site"), put, { recursive: true });
  appendFileSync(join(put, "site.cedar"), NO_SECRETS);
  const revoked = await tokenOf(leased);
  const { jti } = verifier.verify(revoked);
  const definition = toolDefinitionOf({ name: "search", description: "Finds books.", inputSchema: { type: "object" } });
  if (definition === undefined) throw new TypeError("not a tool");
  expect([...(await verifier.reportTools([definition])).values()]).toEqual(["pinned"]);
  for (const args of [
    ["revoke", "--jti", jti, "--reason", "superseded"],
    ["entry", "create", "agent/visitor", "--selector", "unix:uid:4999"],
    ["entry", "create", "agent/barred", "--selector", "unix:uid:4998"],
    ["entry", "disable", "agent/barred"],
    ["policy", "put", put],
    ["policy", "activate", "2", "--reason", "as put", "--yes"],
    ["hold", "place", "--run", "completed", "--reason", "case 4711"],
    ["risk", "set", "--scope", "run:failed", "--level", "elevated", "--reason", "failed", "--no-wait"],
    ["join-token", "create", "visitor"],
    ["authority", "prepare", "jwt"],
  ]) {
    const { status, err } = await stint(...args);
    if (status !== 0) throw new Error(`stint ${args.join(" ")}: ${err}`);
  }
  await vi.waitFor(() => expect(judged(verifier, revoked)).toBe("REVOKED"));
  await vi.waitFor(async () => expect(await json(stint, "history", "usage")).toHaveLength(1));

  return {
    place,
    daemon,
    resource,
    verifier,
    open,
    child,
    leased,
    token,
    tokens: { ended: ended.token, revoked },
    pending,
    giveUp: () => givenUp.abort(new Error("nobody waits any more")),
  };
}
