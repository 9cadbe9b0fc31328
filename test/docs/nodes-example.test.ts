import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { acceptEntries } from "../../src/config/entries.ts";
import { entrySchema } from "../../src/config/entry-schema.ts";
import { readNodeConfig } from "../../src/node/node-config.ts";
import { startDaemon } from "../daemon.ts";
import { portOf } from "../e2e/node-scene.ts";
import { STINT } from "../programs.ts";
import { read } from "./documents.ts";

type NodeFile = { broker: Record<string, string>; [key: string]: unknown };

const scripts = resolve(import.meta.dirname, "../../scripts");

test("the guide to nodes: its configurations are taken, its commands let the node in, and the broker attends it", async () => {
  const { nodes, attestation, entries } = parse(read("test/docs/nodes-broker.yaml"));
  const listening = {
    nodes: { ...nodes, listen: "127.0.0.1:0" },
    attestation: { ...attestation, listen: "127.0.0.1:0" },
  };
  await using daemon = await startDaemon({ entries, config: listening });
  const { directory } = daemon;
  await promisify(execFile)("sh", [join(import.meta.dirname, "nodes.sh")], {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${scripts}${delimiter}${process.env["PATH"] ?? ""}`,
      STINT_OPERATOR_SOCKET: daemon.operatorSocket,
    },
  });

  const shown = parse(read("test/docs/node.yaml")) as NodeFile;
  const config = join(directory, "node.yaml");
  const own = {
    ...shown,
    broker: {
      nodes: `127.0.0.1:${portOf(daemon, "nodesPort")}`,
      attestation: `127.0.0.1:${portOf(daemon, "attestationPort")}`,
      bundle: join(directory, "bundle.json"),
    },
    evidence: { join_token_file: join(directory, "join-token") },
    workload: { socket: join(directory, "node.sock") },
  };
  writeFileSync(config, stringify(own));
  expect(Object.keys(shown.broker)).toEqual(Object.keys(own.broker));
  expect(readFileSync(join(directory, "join-token"), "utf8")).toMatch(/^stint-join-build-7-\S{43}\n$/);
  expect(readNodeConfig(config)).toMatchObject({ name: "build-7", workload: { mode: 0o666 }, development: false });

  const node = spawn(process.execPath, [STINT, "node", "--config", config], { stdio: ["ignore", "inherit", "pipe"] });
  onTestFinished(() => void node.kill("SIGKILL"));
  const lines: string[] = [];
  for await (const line of createInterface({ input: node.stderr })) {
    lines.push(line);
    if (line.includes("attended by the broker")) break;
  }
  expect(lines.at(-1)).toContain("attended by the broker");
  node.kill("SIGTERM");
  expect(await once(node, "exit")).toEqual([0, null]);
});

function accepted(file: string) {
  const { entries, problems } = acceptEntries(entrySchema.array().parse(parse(read(file)).entries), 1);
  expect(problems).toEqual([]);
  return entries;
}

test("the guides' groups of machines are taken as they stand", () => {
  const entries = accepted("test/docs/nodes-group.yaml");
  expect(entries[0]).toMatchObject({ kind: "node", name: "pool", machineName: "k8s:node-name" });
  expect(entries.map(({ kind }) => kind)).toEqual(["node", "runtime", "agent"]);
  const onNodes = accepted("test/docs/kubernetes-nodes.yaml");
  expect(onNodes.map(({ selectors }) => selectors[0])).toEqual(["node:group:pool", "node:group:pool"]);
});
