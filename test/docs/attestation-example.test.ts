import { execFile } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { parse } from "yaml";
import { kubernetesSelectorsOf } from "../../src/adapters/attestor-oidc/kubernetes-claims.ts";
import { selectorsOf } from "../../src/adapters/attestor-oidc/token-selectors.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { matches } from "../../src/domain/selector.ts";
import type { JsonObject } from "../../src/domain/strict-json.ts";
import { startDaemon } from "../daemon.ts";
import { authority, pemOf } from "../verify/certificate-forge.ts";
import { byEvidence, githubToken, onKubernetes } from "./attestation-snippets.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
const scripts = join(folder, "../../scripts");
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;
const AUDIENCE = "https://stint.example.org:8443";

const accounts = { users: [{ name: "researcher", uid: 1_001, gid: 1_001 }], groups: [] };
const config = () => loadConfig(join(folder, "attestation.yaml"), {}, { user: { uid: 900, gids: [] }, accounts });
const yamlOf = (name: string) => parse(readFileSync(join(folder, name), "utf8"));

afterEach(() => vi.unstubAllEnvs());

test("the guide's configuration is taken without a warning", () => {
  const { attestation, warnings } = config();
  expect(warnings).toEqual([]);
  expect(attestation?.oidc.map(({ audience, singleUse }) => [audience, singleUse])).toEqual([
    [AUDIENCE, true],
    [AUDIENCE, true],
    [AUDIENCE, false],
  ]);
  expect(attestation).toMatchObject({ tls: "own-svid", x509pop: {}, joinToken: true });
});

const inNamespace = (namespace: string) => ({
  namespace,
  pod: { name: "flow-0", uid: "3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9" },
  serviceaccount: { name: "flow", uid: "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
});

// Claims as each platform documents them, as far as they matter here.
test.for([
  {
    platform: "GitHub",
    entry: "nightly",
    claims: {
      iss: "https://token.actions.githubusercontent.com",
      sub: "repo:octo-org/agents:environment:production",
      repository: "octo-org/agents",
      ref: "refs/heads/main",
      environment: "production",
    },
    other: { ref: "refs/heads/mine" },
  },
  {
    platform: "GitLab",
    entry: "pipeline",
    claims: {
      iss: "https://gitlab.com",
      sub: "project_path:octo-org/agents:ref_type:branch:ref:main",
      project_path: "octo-org/agents",
      ref: "main",
      ref_protected: "true",
    },
    other: { ref_protected: "false" },
  },
  {
    platform: "Kubernetes",
    entry: "flow",
    claims: {
      iss: "https://kubernetes.default.svc.cluster.local",
      sub: "system:serviceaccount:agents:flow",
      "kubernetes.io": inNamespace("agents"),
    },
    other: { sub: "system:serviceaccount:default:flow", "kubernetes.io": inNamespace("default") },
  },
])("the guide's entry for $platform is of its tokens, and not of others there", ({ entry, claims, other }) => {
  const { entries, attestation } = config();
  const wanted = entries.find(({ name }) => name === entry)?.selectors ?? [];
  const cluster = attestation?.oidc.find(({ issuer }) => issuer === claims.iss)?.kubernetesCluster;
  const proved = (of: JsonObject) =>
    new Set([...(selectorsOf(of) ?? []), ...(cluster === undefined ? [] : kubernetesSelectorsOf(of, cluster))]);
  expect(matches(wanted, proved(claims as JsonObject))).toBe(true);
  expect(matches(wanted, proved({ ...claims, ...other } as JsonObject))).toBe(false);
});

test("the guide's jobs and pods ask for tokens that are for this broker", () => {
  const [volume] = yamlOf("attestation-kubernetes.yaml").spec.volumes;
  expect(volume.projected.sources[0].serviceAccountToken.audience).toBe(AUDIENCE);
  expect(yamlOf("attestation-gitlab.yaml").nightly.id_tokens.STINT_TOKEN.aud).toBe(AUDIENCE);
  expect(yamlOf("attestation-github.yaml").permissions["id-token"]).toBe("write");
  onKubernetes().close();
});

test("the guide asks GitHub for a token as it wants to be asked", async () => {
  const server = createServer(({ url = "", headers }, response) => {
    const { searchParams } = new URL(url, "http://localhost");
    const isAsked = searchParams.get("api-version") === "2" && headers.authorization === "Bearer of the job";
    response.end(JSON.stringify({ value: isAsked ? `for ${searchParams.get("audience")}` : "" }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  vi.stubEnv("ACTIONS_ID_TOKEN_REQUEST_URL", `http://127.0.0.1:${port}/token?api-version=2`);
  vi.stubEnv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of the job");
  expect(await githubToken()).toBe(`for ${AUDIENCE}`);
});

test(
  "the guide's commands are taken: the digest is the CA's, and the join token is there and gone",
  async () => {
    await using daemon = await startDaemon({});
    const ca = pemOf("CERTIFICATE", authority().der);
    // Kubernetes answers with what the path names; nothing else of it is here.
    writeFileSync(join(daemon.directory, "kubectl"), '#!/bin/sh\n[ "$1 $2" = "get --raw" ] && echo "$3"\n', {
      mode: 0o755,
    });
    for (const name of ["machines-ca.pem", "worker.pem", "worker.key"]) writeFileSync(join(daemon.directory, name), ca);
    const { stdout } = await run("sh", [join(folder, "attestation.sh")], {
      cwd: daemon.directory,
      env: {
        ...process.env,
        PATH: `${scripts}${delimiter}${daemon.directory}${delimiter}${process.env["PATH"] ?? ""}`,
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      },
    });
    expect(stdout).toContain(createHash("sha256").update(new X509Certificate(ca).raw).digest("hex"));
    expect(stdout).toMatch(/^worker /m);
    expect(readFileSync(join(daemon.directory, "kubernetes-jwks.json"), "utf8")).toBe("/openid/v1/jwks\n");
    expect(readFileSync(join(daemon.directory, "worker.token"), "utf8")).toMatch(/^stint-join-worker-\S{43}\n$/);
    const { joinToken, machine } = await byEvidence(daemon.directory);
    expect(joinToken.joinTokenFile).toBe(join(daemon.directory, "worker.token"));
    expect(machine.x509pop.certificateChain).toBe(ca);
  },
  SCRIPT_MS_MAX,
);
