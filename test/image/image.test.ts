import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { jwkOf } from "../adapters/attestor-oidc/loopback-issuer.ts";
import type { LogLine } from "../daemon.ts";
import { BROKER, NODE } from "../deploy/manifests.ts";
import { forge, rsaSigner, signature } from "../verify/token-forge.ts";
import { BUILD_MS_MAX, buildImage, imageIsUnable, ROOT, type Unpacked, unpackImage } from "./unpacked.ts";

// There is no container runtime here: what one does with an image (layers on one another, a root that is read-only, another user, proc and
// volumes mounted) is done by unshare, mount and chroot.

const UID = 65_532;
const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

describe.skipIf(imageIsUnable("tests of the image"))("the container image", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-image-"));
  const rootfs = join(work, "rootfs");
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
  let digests: readonly string[] = [];
  let image: Unpacked;

  beforeAll(async () => {
    const build = async (name: string) => {
      await buildImage(join(work, name));
      return sha256(join(work, name));
    };
    digests = [await build("one.tar"), await build("two.tar")];
    image = unpackImage(join(work, "one.tar"), work);
  }, BUILD_MS_MAX);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test("is the same, byte for byte, when it is built again", () => {
    expect(digests[0]).toBe(digests[1]);
  });

  test("is a layout in which each file has the name, the size and the place that the standard wants", () => {
    expect(json(join(work, "layout/oci-layout"))).toEqual({ imageLayoutVersion: "1.0.0" });
    const blobs = join(work, "layout/blobs/sha256");
    for (const name of readdirSync(blobs)) expect(sha256(join(blobs, name))).toBe(name);
    for (const layer of image.layers) expect(statSync(image.blob(layer)).size).toBe(layer.size);
    expect(image.diffIds).toEqual(image.layers.map(({ digest }) => digest));
  });

  test("runs as a user of its own, who can write nothing but what is to be written", () => {
    expect(image.config).toMatchObject({ User: `${UID}:${UID}`, Cmd: ["run", "--config", "/etc/stint/stint.yaml"] });
    const find = (...of: readonly string[]) =>
      execFileSync("find", [rootfs, ...of, "-printf", "/%P\n"], { encoding: "utf8" })
        .split("\n")
        .filter((one) => one !== "");
    expect(find("-uid", String(UID)).toSorted()).toEqual(["/run/stint", "/var/lib/stint"]);
    expect(find("!", "-type", "l", "-perm", "/022")).toEqual([]);
    expect(find("-perm", "/6000")).toEqual([]);
  });

  test("says nowhere in which folder it was built", () => {
    const found = spawnSync("grep", ["--recursive", "--files-with-matches", "--fixed-strings", ROOT, rootfs], {
      encoding: "utf8",
    });
    expect([found.stdout, found.status]).toEqual(["", 1]);
  });

  test("has no shell, and nothing that is run but Node.js and, on it, the command line", () => {
    const executable = execFileSync("find", [rootfs, "-type", "f", "-path", "*bin/*"], { encoding: "utf8" });
    const programs = ["usr/local/bin/node", "usr/local/bin/stint"].map((program) => join(rootfs, program));
    expect(executable.trim().split("\n").toSorted()).toEqual(programs);
    expect(existsSync(join(rootfs, "bin"))).toBe(false);
  });

  test("is the broker of the manifests and the node, in their pods: on a root that is read-only, in volumes as a cluster makes them", async () => {
    const cluster = apiServer();
    const configuration = join(work, "configuration");
    mkdirSync(configuration);
    writeFileSync(join(configuration, "stint.yaml"), BROKER.of("ConfigMap")["data"]["stint.yaml"]);
    writeFileSync(join(configuration, "jwks.json"), JSON.stringify({ keys: [cluster.jwk] }));
    const pod = BROKER.of("StatefulSet")["spec"].template.spec;
    const [sockets, stintd] = [pod.initContainers[0], pod.containers[0]];

    // One after another, in volumes that both have.
    const container = start(rootfs, configuration, [
      sockets.command,
      [...image.config.Entrypoint, ...image.config.Cmd],
    ]);
    const serving = await container.said("serving");
    const pid = Number(
      execFileSync("pgrep", ["--newest", "--uid", String(UID), "--parent", String(container.child.pid)]),
    );
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .map((line) => line.split(" "));
    expect(mounts.find(([, , , , at]) => at === "/")?.[5]).toMatch(/^ro\b/);
    expect(stintd.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath).toSorted()).toEqual(
      mounts
        .map(([, , , , at = ""]) => at)
        .filter((at) => /stint/.test(at))
        .toSorted(),
    );

    // As `kubectl exec` enters it.
    const operator = ["/usr/local/bin/stint", "--operator-socket", "/run/stint/sockets/operator.sock"];
    const user = ["--setuid", String(UID), "--setgid", String(UID)];
    const inside = ["--target", String(pid), "--mount", "--pid", "--root", "--wd", ...user];
    const { path, httpHeaders } = stintd.readinessProbe.httpGet;
    expect(await asked(String(serving["operations"]), path, httpHeaders[0].value)).toMatchObject({ status: 200 });
    const operating = (...args: readonly string[]) =>
      execFileSync("nsenter", [...inside, ...operator, ...args], { encoding: "utf8", env: {} });
    const bundle = JSON.stringify(JSON.parse(operating("federation", "bundles")).trust_domains["example.org"]);
    expect(await asked(String(serving["http"]), "/jwks.json", "stint.stint.svc")).toMatchObject({ status: 200 });

    const tokenFile = join(work, "token");
    writeFileSync(tokenFile, cluster.token());
    using stint = createStint({
      brokerEndpoint: `tcp://127.0.0.1:${serving["brokerPort"]}`,
      agent: "researcher",
      attestation: {
        address: `127.0.0.1:${serving["attestationPort"]}`,
        trust: { trustDomain: "example.org", bundle },
        evidence: { oidcTokenFile: tokenFile },
      },
    });
    const searching = {
      type: "mcp_tool",
      locations: ["https://mcp.example.org/mcp"],
      identifier: "search",
      actions: ["read"],
    };
    const grant = [{ ...searching, datatypes: ["internal"] }] as never;
    const options = { runId: "in-a-pod", step: "look-up", grant, executor: "any" } as const;
    expect(
      await stint.withStep(options, async (step) => (await step.jwtSvid("https://mcp.example.org/mcp")).spiffeId),
    ).toBe("spiffe://example.org/agent/researcher/run/in-a-pod/step/look-up/1");

    expect(operating("-o", "jsonl", "history", "steps")).toContain('"in-a-pod"');

    const node = nodeOf(work, rootfs, { serving, bundle, token: cluster.token(NODE_OF_POD) });
    await node.said("attended by the broker");
    const issued = operating("-o", "jsonl", "history", "issuances");
    expect(issued).toContain(`"spiffe://example.org/stint/node/pool/${NODE_OF_POD.node.name}"`);
    node.child.kill("SIGTERM");
    expect(await node.exited).toBe(0);
    process.kill(pid, "SIGTERM");
    expect(await container.exited).toBe(0);
  });
});

/** Starts commands one after another as a pod does its containers: on one root, in the same volumes; ends with the test. */
function start(rootfs: string, configuration: string, commands: readonly (readonly string[])[]) {
  // A claim with `fsGroup` is root's and the group's; an emptyDir is everybody's.
  const volume = (mode: string) => `mount -t tmpfs -o uid=0,gid=${UID},mode=${mode} tmpfs`;
  const quoted = commands.map((command) => command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" "));
  const enter = `chroot --userspec=${UID}:${UID} --groups=${UID} "$0"`;
  const script = [
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --bind /dev "$0/dev"',
    `mount --bind -o ro "$1" "$0/etc/stint"`,
    `${volume("2775")} "$0/var/lib/stint"`,
    `${volume("2777")} "$0/run/stint"`,
    'mount -o remount,bind,ro "$0"',
    ...quoted.map((command, index) => `${index === quoted.length - 1 ? "exec " : ""}${enter} ${command}`),
  ].join(" && ");
  const isolated = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, rootfs, configuration];
  const child: ChildProcess = spawn("unshare", isolated, {
    stdio: ["ignore", "inherit", "pipe"],
    // Any port that is free: other tests run beside this one.
    env: Object.fromEntries(
      ["HTTP", "OPERATIONS", "BROKER", "ATTESTATION", "NODES"].map((one) => [`STINT_${one}_LISTEN`, "127.0.0.1:0"]),
    ),
  });
  return spoken(child);
}

/** The pod of the DaemonSet, in the host's PID namespace; its addresses are those of a broker on this machine. */
function nodeOf(
  work: string,
  rootfs: string,
  given: { readonly serving: LogLine; readonly bundle: string; readonly token: string },
) {
  const pod = NODE.of("DaemonSet")["spec"].template.spec;
  const [folder, container] = [pod.initContainers[0], pod.containers[0]];
  const directories = ["node-configuration", "node-token", "node-sockets"].map((name) => join(work, name));
  const [configuration = "", token = ""] = directories;
  for (const directory of directories) mkdirSync(directory);
  const { nodesPort, attestationPort } = given.serving;
  const config: string = NODE.of("ConfigMap")
    ["data"]["node.yaml"].replace("stint.stint.svc:8447", `127.0.0.1:${nodesPort}`)
    .replace("stint.stint.svc:8446", `127.0.0.1:${attestationPort}`);
  writeFileSync(join(configuration, "node.yaml"), config);
  writeFileSync(join(configuration, "bundle.json"), given.bundle);
  writeFileSync(join(token, "token"), given.token);
  const { runAsUser, fsGroup } = pod.securityContext;
  chownSync(join(token, "token"), 0, fsGroup);
  chmodSync(join(token, "token"), 0o640);

  const quoted = ({ command }: { command: readonly string[] }) => command.map((word) => `'${word}'`).join(" ");
  const script = [
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --bind /dev "$0/dev"',
    'mount --bind -o ro "$1" "$0/etc/stint"',
    'mount -t tmpfs tmpfs "$0/var" && mkdir -p "$0/var/run/secrets/stint"',
    'mount --bind -o ro "$2" "$0/var/run/secrets/stint"',
    'mount --bind "$3" "$0/run/stint"',
    'mount -o remount,bind,ro "$0"',
    `chroot "$0" ${quoted(folder)}`,
    `exec setpriv --no-new-privs chroot --userspec=${runAsUser}:${runAsUser} --groups=${fsGroup} "$0" ${quoted(container)}`,
  ].join(" && ");
  const isolated = ["--mount", "sh", "-c", script, rootfs, ...directories];
  return spoken(spawn("unshare", isolated, { stdio: ["ignore", "inherit", "pipe"] }));
}

/** What a process logs, and how it exits; it ends with the test. */
function spoken(child: ChildProcess) {
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit").then(([status]) => status as number | null);
  const lines: string[] = [];
  const said = (msg: string) =>
    new Promise<LogLine>((resolveLine, reject) => {
      if (child.stderr === null) throw new TypeError("no standard error");
      createInterface({ input: child.stderr })
        .on("line", (line) => {
          lines.push(line);
          if (line.includes(`"msg":"${msg}"`)) resolveLine(JSON.parse(line) as LogLine);
        })
        .on("close", () => reject(new Error(lines.join("\n"))));
    });
  return { child, exited, said };
}

/** Asks as a kubelet does: it looks at no certificate. */
async function asked(
  url: string,
  path: string,
  host: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const question = request(`${url}${path}`, { rejectUnauthorized: false, agent: false, headers: { host } }).end();
  const [answer] = (await once(question, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}

type Bound = { readonly namespace: string; readonly serviceaccount: { readonly name: string } };

/** What tokens say of the pods that they were projected into. */
const RUNTIME_POD = {
  namespace: "agents",
  pod: { name: "flow-0", uid: "3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9" },
  serviceaccount: { name: "flow", uid: "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
};
const NODE_OF_POD = {
  namespace: "stint-node",
  node: { name: "worker-2", uid: "58456cb0-dd00-45ed-b797-5578fdceaced" },
  pod: { name: "stint-node-x7k2p", uid: "7c0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9" },
  serviceaccount: { name: "stint-node", uid: "24ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
};

/** The API server of a cluster, as far as it makes tokens for pods. */
function apiServer() {
  const key = { ...rsaSigner("cluster"), algorithm: "RS256" };
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    ...{ iss: "https://kubernetes.default.svc.cluster.local", aud: ["https://stint.stint.svc:8443"] },
    ...{ iat: now, nbf: now, exp: now + 600 },
  };
  const header = JSON.stringify({ alg: "RS256", kid: key.kid });
  return {
    jwk: jwkOf(key),
    token(bound: Bound = RUNTIME_POD) {
      const sub = `system:serviceaccount:${bound.namespace}:${bound.serviceaccount.name}`;
      return forge(header, JSON.stringify({ ...claims, sub, "kubernetes.io": bound }), signature(key, "RS256"));
    },
  };
}
