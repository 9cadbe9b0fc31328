import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { readNodeConfig } from "../../src/node/node-config.ts";
import { BROKER, type Manifest, NODE } from "./manifests.ts";

// Goal: the DaemonSet finds the broker of the other manifests, is what its entry says, and may do no more than it needs.

const pod = NODE.of("DaemonSet")["spec"].template.spec;
const [container] = pod.containers as readonly Manifest[];
const [folder] = pod.initContainers as readonly Manifest[];
const broker = parse(BROKER.of("ConfigMap")["data"]["stint.yaml"]);
const configured = NODE.of("ConfigMap")["data"]["node.yaml"];

function mountOf(path: string): Manifest {
  const mount = container?.["volumeMounts"].find(({ mountPath }: Manifest) => path.startsWith(`${mountPath}/`));
  return { ...mount, volume: pod.volumes.find(({ name }: Manifest) => name === mount?.name) };
}

test("its configuration is taken, and leads to the ports of the broker's service", () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-manifest-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "node.yaml"), configured, { mode: 0o600 });
  const config = readNodeConfig(join(directory, "node.yaml"));
  const { metadata, spec } = BROKER.of("Service");
  const at = (port: string) =>
    `${metadata.name}.${metadata.namespace}.svc:${spec.ports.find(({ name }: Manifest) => name === port).port}`;
  expect(config).toMatchObject({
    trustDomain: broker.trust_domain,
    broker: { nodes: at("nodes"), attestation: at("attestation") },
    trust: { bundleFile: "/etc/stint/bundle.json" },
    workload: { socket: "/run/stint/workload.sock", mode: 0o666 },
    development: false,
  });
  const open = NODE.of("NetworkPolicy")["spec"].egress[0].ports.map(({ port }: Manifest) => port);
  expect(open.toSorted()).toEqual([at("nodes"), at("attestation")].map((one) => Number(one.split(":")[1])).toSorted());
});

test("its token is the evidence that the entry of the group wants, for this broker, and read where it is", () => {
  const entry = broker.entries.find(({ kind }: Manifest) => kind === "node");
  const { name, namespace } = NODE.of("ServiceAccount")["metadata"];
  const [issuer] = broker.attestation.oidc;
  expect(entry).toEqual({
    ...{ kind: "node", name: parse(configured).name, machine_name: "k8s:node-name" },
    selectors: [`k8s:cluster:${issuer.kubernetes_cluster}`, `k8s:ns:${namespace}`, `k8s:sa:${name}`],
  });
  expect(pod.serviceAccountName).toBe(name);
  const path = parse(configured).evidence.oidc_token_file;
  const { mountPath, volume } = mountOf(path);
  expect(volume.projected.sources).toEqual([
    {
      serviceAccountToken: {
        ...{ path: path.slice(mountPath.length + 1), audience: issuer.audience, expirationSeconds: 600 },
      },
    },
  ]);
});

test("it has the host's PID namespace and the folder of the socket, and nothing else of the host; it runs without any capability, as no other user", () => {
  expect(pod.hostPID).toBe(true);
  for (const member of ["hostNetwork", "hostIPC", "shareProcessNamespace", "hostUsers"])
    expect(pod).not.toHaveProperty(member);
  const ofHost = pod.volumes.filter((volume: Manifest) => "hostPath" in volume);
  expect(ofHost.map(({ hostPath }: Manifest) => hostPath)).toEqual([{ path: "/run/stint", type: "DirectoryOrCreate" }]);
  expect(mountOf(parse(configured).workload.socket)["volume"]).toBe(ofHost[0]);
  const restricted = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true };
  expect(container?.["securityContext"]).toEqual({ ...restricted, capabilities: { drop: ["ALL"] } });
  const { runAsUser, runAsGroup } = pod.securityContext;
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
  expect(runAsUser).not.toBe(BROKER.of("StatefulSet")["spec"].template.spec.securityContext.runAsUser);
  expect(folder?.["securityContext"]).toEqual({
    ...restricted,
    ...{ runAsNonRoot: false, runAsUser: 0, capabilities: { drop: ["ALL"], add: ["CHOWN"] } },
  });
  expect(folder?.["command"].at(-1)).toBe(`fs.chownSync("/run/stint", ${runAsUser}, ${runAsGroup})`);
});

test("it asks the API server nothing", () => {
  expect(NODE.of("ServiceAccount")["automountServiceAccountToken"]).toBe(false);
  expect(pod.automountServiceAccountToken).toBe(false);
  expect(NODE.of("NetworkPolicy")["spec"].podSelector.matchLabels).toEqual(
    NODE.of("DaemonSet")["spec"].template.metadata.labels,
  );
  expect(NODE.of("Namespace")["metadata"].labels).toMatchObject(
    BROKER.of("NetworkPolicy")["spec"].ingress[0].from[0].namespaceSelector.matchLabels,
  );
});
