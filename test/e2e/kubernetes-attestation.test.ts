import { randomUUID } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JWK } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { startDaemon } from "../daemon.ts";
import { AUDIENCE, apiServer, BOUND, ISSUER } from "./api-server.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];

test("a pod opens its step by the token that was projected into it, as long as its key is in the file of the cluster's keys", async () => {
  const [server, next] = [apiServer("one"), apiServer("two")];
  let keys = "";
  const put = (...jwks: readonly JWK[]) => {
    writeFileSync(`${keys}.new`, JSON.stringify({ keys: jwks }));
    renameSync(`${keys}.new`, keys);
  };
  const first = await server.jwk();
  await using daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], allow_any_executor: true },
      {
        ...{ kind: "runtime", name: "flow", agents: ["researcher"] },
        selectors: ["k8s:cluster:prod", "k8s:ns:agents", "k8s:sa:flow"],
      },
      { kind: "operator", name: "local", selectors, role: "admin" },
    ],
    config: (directory) => {
      keys = join(directory, "keys.json");
      put(first);
      const issuer = { issuer: ISSUER, audience: AUDIENCE, single_use: false };
      return {
        broker: {
          listen: "127.0.0.1:0",
          callers: [
            {
              spiffe_id: "spiffe://example.org/runtime/flow",
              references: [{ type: "stint.v1.WorkflowStepReference", allow_over_tcp: true }],
            },
          ],
        },
        attestation: {
          ...{ listen: "127.0.0.1:0", own_svid: true },
          oidc: [{ ...issuer, jwks_file: keys, kubernetes_cluster: "prod" }],
        },
      };
    },
  });
  const tokenFile = join(daemon.directory, "token");
  const port = Number(daemon.log.find(({ msg }) => msg === "serving")?.["attestationPort"]);
  const bundle = await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text();

  /** What a pod gets done that has this token. */
  const worked = async (token: string) => {
    writeFileSync(tokenFile, token);
    using stint = createStint({
      brokerEndpoint: `tcp://127.0.0.1:${daemon.brokerPort}`,
      agent: "researcher",
      attestation: {
        ...{ address: `127.0.0.1:${port}`, trust: { trustDomain: "example.org", bundle } },
        evidence: { oidcTokenFile: tokenFile },
      },
    });
    const options = { runId: randomUUID(), step: "look-up", grant: [READ_SEARCH] as never, executor: "any" } as const;
    return await stint.withStep(options, async (step) => (await step.jwtSvid(SEARCH)).audience);
  };
  const refused = expect.objectContaining({ reason: "NO_IDENTITY", message: "the evidence is not accepted" });

  expect(await worked(await server.token())).toEqual(SEARCH);
  await expect(worked(await server.token({ ...BOUND, pod: undefined }))).rejects.toEqual(refused);
  await eventually(() => daemon.stderr()).toContain("kubernetes.io.pod: missing");
  await expect(worked(await next.token())).rejects.toEqual(refused);

  put(await next.jwk());
  await eventually(() => daemon.log.map(({ msg }) => msg).join()).toContain("files renewed");
  expect(await worked(await next.token())).toEqual(SEARCH);
  await expect(worked(await server.token())).rejects.toEqual(refused);

  const operator = operatorOf(daemon.operatorSocket);
  onTestFinished(() => operator[Symbol.dispose]());
  const { decisions } = await operator.history.listDecisions({ filter: { pageSize: 10 } });
  expect(decisions.filter(({ reason }) => reason === "NO_IDENTITY")).toHaveLength(3);
});
