import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type BridgeScene, bridgeScene } from "../bridge/bridge-scene.ts";
import { STINT } from "../programs.ts";

const folder = import.meta.dirname;
const AGENT = fileURLToPath(new URL("../bridge/agent.ts", import.meta.url));
const EXAMPLE_URL = "https://mcp.example.org/mcp";

let scene: BridgeScene;
let directory: string;
let environment: NodeJS.ProcessEnv;

/** A program that takes any arguments, of which `{config}` has become one. */
function program(name: string, text: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(directory, name), 0o755);
}

const example = (name: string) =>
  readFileSync(join(folder, name), "utf8").replaceAll(EXAMPLE_URL, `${scene.origin}/mcp`);

beforeAll(async () => {
  scene = await bridgeScene({ agent: "researcher" });
  directory = mkdtempSync(join(tmpdir(), "stint-bridge-docs-"));
  program("stint", `exec "${process.execPath}" "${STINT}" "$@"`);
  // In place of clients that are not installed here: they have the same flags, and call one tool of the server `library`.
  const agent = `"${process.execPath}" "${AGENT}" 2.x`;
  program("claude", `exec ${agent} "$5" library search`);
  program("agent", `exec ${agent} "$2" library search`);
  writeFileSync(join(directory, "grant.json"), JSON.stringify(scene.grant("search")));
  writeFileSync(join(directory, "mcp.json"), example("bridge-mcp.json"));
  environment = {
    ...process.env,
    PATH: `${directory}${delimiter}${process.env["PATH"]}`,
    SPIFFE_ENDPOINT_SOCKET: scene.endpoint,
    library: `${scene.origin}/mcp`,
  };
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await scene?.close();
});

describe("the guide to the bridge", () => {
  test("runs clients by each of its commands, and says what it says", async () => {
    const { stdout, stderr } = await promisify(execFile)("sh", [join(folder, "bridge.sh")], {
      cwd: directory,
      env: environment,
    });
    const found = stdout.trim().split("\n");
    expect(found.map((line) => JSON.parse(line).answer.content[0].text)).toEqual(Array(3).fill("found it"));
    expect(stdout).not.toContain("sk-12345");
    const left = "stint: server files is left out: the client starts it itself";
    expect(stderr.split("\n")).toEqual([left, "connected", "connected", left, "connected", ""]);
    expect(readFileSync(join(folder, "../../docs/guides/bridge.md"), "utf8")).toContain(left);
  });

  test("has a configuration by which a client starts the bridge", async () => {
    const { command, args } = JSON.parse(example("bridge-stdio.json")).mcpServers.library;
    const own = args.map((word: string) => word.replace("/home/me", directory));
    const client = new Client({ name: "desk", version: "1" });
    const env = environment as Record<string, string>;
    await client.connect(new StdioClientTransport({ command, args: own, env, stderr: "ignore" }), { timeout: 30_000 });
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["search"]);
  });
});
