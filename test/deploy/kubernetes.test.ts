import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../conformance/go-toolchain.ts";
import { writeSchemas } from "./kubernetes-schemas.ts";
import { BROKER, type Manifest, NODE } from "./manifests.ts";

type Finding = { readonly kind: string; readonly status: string; readonly says?: string };
const pod = BROKER.of("StatefulSet")["spec"].template.spec;
const containers: readonly Manifest[] = [...pod.initContainers, ...pod.containers];

describe.skipIf(goIsMissing("tests of manifests by kubeconform"))("the manifests, by kubeconform", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-kubeconform-"));
  const schemas = join(work, "schemas");
  const conform = (text: string) =>
    JSON.parse(execFileSync(join(work, "conform"), [schemas], { input: text, encoding: "utf8" })) as readonly Finding[];

  beforeAll(async () => {
    await buildGo(import.meta.dirname, join(work, "conform"));
    mkdirSync(schemas);
    writeSchemas(schemas);
  }, GO_BUILD_MS_MAX);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test("are what the schemas of Kubernetes 1.34 say, each of them", () => {
    const valid = (...kinds: readonly string[]) => kinds.map((kind) => ({ kind, status: "valid" }));
    expect(conform(BROKER.text)).toEqual(
      valid("Namespace", "ServiceAccount", "ConfigMap", "Service", "StatefulSet", "NetworkPolicy"),
    );
    expect(conform(NODE.text)).toEqual(valid("Namespace", "ServiceAccount", "ConfigMap", "DaemonSet", "NetworkPolicy"));
  });

  test.for([
    { what: "a setting that is misspelled", from: "runAsNonRoot:", to: "runAsNotRoot:", kind: "StatefulSet" },
    { what: "a number that is none", from: "replicas: 1", to: 'replicas: "one"', kind: "StatefulSet" },
    { what: "a policy for nobody", from: "podSelector:", to: "podSelectors:", kind: "NetworkPolicy" },
  ])("would not be with $what", ({ from, to, kind }) => {
    expect(conform(BROKER.text.replace(from, to)).filter(({ status }) => status !== "valid")).toMatchObject([
      { kind, status: "invalid" },
    ]);
  });
});

test("the pod may do what the profile `restricted` lets a pod do, which its namespace enforces, and on a root that is read-only", () => {
  expect(BROKER.of("Namespace")["metadata"].labels).toMatchObject({
    "pod-security.kubernetes.io/enforce": "restricted",
  });
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
  for (const { securityContext } of containers) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  }
  for (const member of ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"])
    expect(pod).not.toHaveProperty(member);
  expect(pod.volumes.map((volume: Manifest) => Object.keys(volume)[1])).toEqual(["projected", "emptyDir"]);
});

test("nothing of it may ask the API server, and nobody outside of it may be asked", () => {
  expect(BROKER.all.map((one) => one["kind"]).filter((kind) => /Role|Binding/.test(String(kind)))).toEqual([]);
  expect(BROKER.of("ServiceAccount")["automountServiceAccountToken"]).toBe(false);
  expect(pod.automountServiceAccountToken).toBe(false);
  const { spec } = BROKER.of("NetworkPolicy");
  expect([spec.policyTypes, spec.egress]).toEqual([["Ingress", "Egress"], []]);
  expect(spec.podSelector.matchLabels).toEqual(BROKER.of("StatefulSet")["spec"].template.metadata.labels);
});

test("each port is one on which the configuration listens, and the daemon takes the configuration without a warning", () => {
  const folder = mkdtempSync(join(tmpdir(), "stint-manifest-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "stint.yaml"), BROKER.of("ConfigMap")["data"]["stint.yaml"]);
  const user = { uid: pod.securityContext.runAsUser, gids: [pod.securityContext.runAsGroup] };
  const config = loadConfig(join(folder, "stint.yaml"), {}, { user, accounts: { users: [], groups: [] } });
  expect(config.warnings).toEqual([]);
  const { http, operations, broker, attestation, nodes } = config;
  const listening = [
    ...[http?.port, operations?.port, broker?.listen?.port, attestation?.listen.port],
    nodes?.listen.port,
  ];
  const named = containers.at(-1)?.["ports"].map(({ containerPort }: Manifest) => containerPort);
  expect(named).toEqual(listening);
});

test("the guide's commands name what the manifests name, and give the broker the cluster's keys in the file that it reads", () => {
  const folder = mkdtempSync(join(tmpdir(), "stint-kubectl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // None of these is here: each says what it was asked, and what comes back goes where the guide has it go.
  for (const [name, answer] of [
    ["skopeo", ""],
    ["kubectl", 'case "$*" in *bundles) echo "{}";; "get --raw"*) echo "$3";; esac'],
    ["jq", "cat"],
  ] as const) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >> "${folder}/said"\n${answer}\n`, { mode: 0o755 });
  }
  const script = resolve(import.meta.dirname, "../docs/kubernetes.sh");
  execFileSync("sh", [script], { cwd: folder, env: { PATH: `${folder}:/usr/bin:/bin` } });
  const said = readFileSync(join(folder, "said"), "utf8").split("\n");
  const [, keys] = pod.volumes[0].projected.sources;
  expect(said).toContain(`kubectl -n stint create configmap ${keys.configMap.name} --from-file=jwks.json`);
  expect(BROKER.of("ConfigMap")["data"]["stint.yaml"]).toContain("jwks_file: /etc/stint/jwks.json");
  expect(readFileSync(join(folder, "jwks.json"), "utf8")).toBe("/openid/v1/jwks\n");
  expect(said[0]).toContain(`docker://${containers[0]?.["image"]}`);
  const socket = "--operator-socket /run/stint/sockets/operator.sock";
  const { name } = BROKER.of("StatefulSet")["metadata"];
  expect(said).toContain(`kubectl -n stint exec ${name}-0 -c ${pod.containers[0].name} -- stint ${socket} status`);
  expect(BROKER.of("NetworkPolicy")["spec"].ingress[0].from[0].namespaceSelector.matchLabels).toEqual({
    "stint.example.org/client": "true",
  });
  expect(said).toContain("kubectl label namespace agents stint.example.org/client=true");
  const { name: set, namespace } = NODE.of("DaemonSet")["metadata"];
  const [, bundle] = NODE.of("DaemonSet")["spec"].template.spec.volumes[0].projected.sources;
  expect(said).toContain(`kubectl -n ${namespace} create configmap ${bundle.configMap.name} --from-file=bundle.json`);
  expect(said).toContain(`kubectl -n ${namespace} rollout status daemonset/${set}`);
});
