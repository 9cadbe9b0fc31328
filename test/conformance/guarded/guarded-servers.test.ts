import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mcpRefusalOf } from "../../../src/sdk/runtime/index.ts";
import { type GuardScene, guardScene, SECRET } from "../../guard/guard-scene.ts";
import { INSTALL_MS_MAX, installedAsLocked } from "../locked-packages.ts";
import { pythonIsMissing, pythonWithPackages } from "../python/python-environment.ts";

// Goal: servers that nobody here wrote work behind the guard with all that they have, for what a step was granted, and only that.
// Method: they are installed as their authors published them, pinned, and started by a real `stint guard`; the official client asks.

const READ = { actions: ["read"], datatypes: ["internal"] };
const WRITE = { actions: ["read", "write"], datatypes: ["internal"] };
const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

let scene: GuardScene;
let directory: string;
beforeAll(async () => {
  scene = await guardScene();
  directory = mkdtempSync(join(tmpdir(), "stint-guarded-"));
});
afterAll(async () => {
  await scene?.close();
  rmSync(directory, { recursive: true });
});

const toolsOf = (needs: object, ...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, needs]));
const refusedBy = async (act: Promise<unknown>) => mcpRefusalOf(await act.catch((thrown: unknown) => thrown))?.reason;

describe("from npm", () => {
  let modules: string;
  beforeAll(async () => {
    modules = join(await installedAsLocked(import.meta.dirname, "guarded-servers"), "node_modules");
  }, INSTALL_MS_MAX);
  const serverOf = (name: string, ...rest: readonly string[]) => [
    process.execPath,
    join(modules, "@modelcontextprotocol", `server-${name}`, "dist/index.js"),
    ...rest,
  ];

  describe("server-everything", () => {
    const tools = {
      ...toolsOf(READ, "echo", "get-sum", "trigger-long-running-operation", "get-env", "read_documents", "ask_prompts"),
      ...toolsOf(WRITE, "trigger-elicitation-request", "toggle-subscriber-updates"),
    };
    const config = () => ({
      tools,
      resources: { "demo://resource/static/*": "read_documents" },
      prompts: { "simple-prompt": "ask_prompts" },
      inject: [{ secret: "key", environment: "LEGACY_KEY" }],
    });

    test("calls, structured answers and progress", async () => {
      const guard = await scene.guard(config(), serverOf("everything"));
      const client = await scene.client(await scene.step("echo", "trigger-long-running-operation"), guard);
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
        "echo",
        "trigger-long-running-operation",
      ]);
      expect(textOf(await client.callTool({ name: "echo", arguments: { message: "hello" } }))).toBe("Echo: hello");
      expect(await refusedBy(client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } }))).toBe("GRANT_EXCEEDED");
      const seen: number[] = [];
      const onprogress = ({ progress }: { readonly progress: number }) => void seen.push(progress);
      const long = { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 4 } };
      expect(textOf(await client.callTool(long, { onprogress }))).toContain("completed");
      expect(seen).toEqual([1, 2, 3, 4]);
    });

    test("resources and prompts, those that the step was granted by name, and no others", async () => {
      const guard = await scene.guard(config(), serverOf("everything"));
      const client = await scene.client(await scene.step("read_documents", "ask_prompts"), guard);
      const { resources } = await client.listResources();
      expect(resources.length).toBeGreaterThan(3);
      const [first] = resources;
      const read = await client.readResource({ uri: first?.uri ?? "" });
      expect(read.contents).toMatchObject([{ uri: first?.uri }]);
      expect((await client.listResourceTemplates()).resourceTemplates).toEqual([]);
      expect(await refusedBy(client.readResource({ uri: "demo://resource/dynamic/text/1" }))).toBe(
        "RESOURCE_UNDECLARED",
      );
      expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(["simple-prompt"]);
      expect((await client.getPrompt({ name: "simple-prompt" })).messages).toHaveLength(1);
      expect(await refusedBy(client.getPrompt({ name: "args-prompt", arguments: { city: "x" } }))).toBe(
        "PROMPT_UNDECLARED",
      );
      const other = await scene.client(await scene.step("echo"), guard);
      expect((await other.listResources()).resources).toEqual([]);
      expect(await refusedBy(other.readResource({ uri: first?.uri ?? "" }))).toBe("GRANT_EXCEEDED");
    });

    test("an elicitation reaches the client of the step that called, and its answer the server", async () => {
      const guard = await scene.guard(config(), serverOf("everything"));
      const capabilities = { elicitation: { form: {} } };
      const step = await scene.writingStep("trigger-elicitation-request");
      const client = await scene.client(step, guard, { capabilities });
      client.setRequestHandler("elicitation/create", async () => ({ action: "decline" }));
      const answer = await client.callTool({ name: "trigger-elicitation-request", arguments: {} });
      expect(textOf(answer)).toContain("declined");
    });

    test("its tool that prints its environment has the guard's secret, and the answer is withheld", async () => {
      const guard = await scene.guard(config(), serverOf("everything"));
      const client = await scene.client(await scene.step("get-env"), guard);
      await expect(client.callTool({ name: "get-env", arguments: {} })).rejects.toThrow("the answer was withheld");
      expect(guard.stderr()).not.toContain(SECRET);
    });
  });

  test("server-filesystem: what the server itself calls destructive takes write, though the file says read", async () => {
    writeFileSync(join(directory, "note.txt"), "kept");
    const tools = toolsOf(READ, "read_text_file", "list_directory", "write_file");
    const guard = await scene.guard({ tools }, serverOf("filesystem", directory));
    const client = await scene.client(await scene.step("read_text_file", "write_file"), guard);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["read_text_file"]);
    const path = join(directory, "note.txt");
    expect(textOf(await client.callTool({ name: "read_text_file", arguments: { path } }))).toBe("kept");
    const write = { name: "write_file", arguments: { path, content: "changed" } };
    expect(await refusedBy(client.callTool(write))).toBe("GRANT_EXCEEDED");
    expect(readFileSync(path, "utf8")).toBe("kept");
    const writer = await scene.client(await scene.writingStep("write_file"), guard);
    await writer.callTool(write);
    expect(readFileSync(path, "utf8")).toBe("changed");
  });

  test("server-memory: its one resource, and its tools by what they do", async () => {
    const tools = { ...toolsOf(READ, "read_graph"), ...toolsOf(WRITE, "create_entities") };
    const environment = { MEMORY_FILE_PATH: join(directory, "memory.jsonl") };
    const upstream = { command: serverOf("memory"), environment };
    const guard = await scene.guard({ tools, upstream, resources: { "memory://knowledge-graph": "read_graph" } });
    const writer = await scene.client(await scene.writingStep("create_entities"), guard);
    const entities = [{ name: "stint", entityType: "broker", observations: ["issues"] }];
    await writer.callTool({ name: "create_entities", arguments: { entities } });
    expect(await refusedBy(writer.readResource({ uri: "memory://knowledge-graph" }))).toBe("GRANT_EXCEEDED");
    const reader = await scene.client(await scene.step("read_graph"), guard);
    expect(textOf(await reader.callTool({ name: "read_graph", arguments: {} }))).toContain("stint");
    const { contents } = await reader.readResource({ uri: "memory://knowledge-graph" });
    expect(JSON.stringify(contents)).toContain("stint");
  });
});

describe.skipIf(pythonIsMissing() !== undefined)("from PyPI", () => {
  let programs: string;
  beforeAll(async () => {
    programs = dirname(await pythonWithPackages(join(import.meta.dirname, "requirements.txt")));
  }, INSTALL_MS_MAX);

  test("mcp-server-time", async () => {
    const guard = await scene.guard({ tools: toolsOf(READ, "convert_time") }, [python(), "-m", "mcp_server_time"]);
    const client = await scene.client(await scene.step("convert_time"), guard);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["convert_time"]);
    const given = { source_timezone: "UTC", target_timezone: "Asia/Tokyo", time: "12:00" };
    expect(textOf(await client.callTool({ name: "convert_time", arguments: given }))).toContain("21:00");
    expect(await refusedBy(client.callTool({ name: "get_current_time", arguments: {} }))).toBe("TOOL_UNDECLARED");
  });

  test("mcp-server-git", async () => {
    const repository = join(directory, "repository");
    execFileSync("git", ["init", "--quiet", repository]);
    const tools = { ...toolsOf(READ, "git_status"), ...toolsOf(WRITE, "git_create_branch") };
    const guard = await scene.guard({ tools }, [python(), "-m", "mcp_server_git"]);
    const client = await scene.client(await scene.step("git_status"), guard);
    const given = { repo_path: repository };
    expect(textOf(await client.callTool({ name: "git_status", arguments: given }))).toContain("No commits yet");
    const branch = { name: "git_create_branch", arguments: { ...given, branch_name: "b" } };
    expect(await refusedBy(client.callTool(branch))).toBe("GRANT_EXCEEDED");
  });

  const python = () => join(programs, "python");
});
