import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { readNodeConfig } from "../../src/node/node-config.ts";

// Goal: what a node's file says is taken, and what is wrong in it is named by its key.

const WHOLE = {
  name: "one",
  trust_domain: "example.org",
  broker: { nodes: "broker.example.org:8447", attestation: "[::1]:8446" },
  evidence: { oidc_token_file: "/var/run/token" },
};

function given(more: object): ReturnType<typeof readNodeConfig> {
  const directory = mkdtempSync(join(tmpdir(), "stint-node-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "node.yaml");
  writeFileSync(path, stringify({ ...WHOLE, ...more }), { mode: 0o600 });
  return readNodeConfig(path);
}

test("what is not said has its default", () => {
  expect(given({})).toEqual({
    name: "one",
    trustDomain: "example.org",
    broker: { nodes: "broker.example.org:8447", attestation: "[::1]:8446" },
    trust: { roots: undefined, serverName: undefined },
    evidence: { kind: "oidc", file: "/var/run/token" },
    workload: { socket: "/run/stint/workload.sock", mode: 0o666 },
    logLevel: "info",
    development: false,
  });
});

test("each kind of evidence, and each way to know the broker", () => {
  const x509pop = { certificate_chain: "/etc/a.pem", private_key: "/etc/a.key" };
  expect(given({ evidence: { x509pop } }).evidence).toEqual({
    kind: "x509pop",
    certificateChain: "/etc/a.pem",
    privateKey: "/etc/a.key",
  });
  expect(given({ evidence: { join_token_file: "/run/t" } }).evidence).toEqual({ kind: "join_token", file: "/run/t" });
  expect(given({ broker: { ...WHOLE.broker, bundle: "/b.pem" } }).trust).toEqual({ bundleFile: "/b.pem" });
  expect(given({ broker: { ...WHOLE.broker, roots: "/r.pem", server_name: "b" } }).trust).toEqual({
    roots: "/r.pem",
    serverName: "b",
  });
});

test.for([
  { key: "name", more: { name: "a/b" }, expected: "the name of the node's entry" },
  { key: "trust_domain", more: { trust_domain: "spiffe://x" }, expected: "a trust domain" },
  { key: "broker.nodes", more: { broker: { ...WHOLE.broker, nodes: "https://x" } }, expected: "host:port" },
  { key: "broker.bundle", more: { broker: { ...WHOLE.broker, bundle: "/b", roots: "/r" } }, expected: "none beside" },
  { key: "evidence", more: { evidence: {} }, expected: "one of join_token_file" },
  { key: "evidence", more: { evidence: { join_token_file: "/t", oidc_token_file: "/o" } }, expected: "one of" },
  { key: "brokr", more: { brokr: {} }, expected: "no such key" },
])("$key is refused where it is not as it has to be", ({ key, more, expected }) => {
  expect(() => given(more)).toThrow(new RegExp(`${key.replace(".", "\\.")}: .*${expected}`));
});
