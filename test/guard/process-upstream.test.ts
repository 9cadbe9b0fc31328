import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { controlGroups } from "../../src/guard/control-group.ts";
import { mcpRefusalOf } from "../../src/sdk/runtime/index.ts";
import { type GuardScene, guardScene, SECRET } from "./guard-scene.ts";

const SERVER = [process.execPath, fileURLToPath(new URL("stdio-server.ts", import.meta.url))];
const READ = { actions: ["read"], datatypes: ["internal"] };
const TOOLS = ["count", "surroundings", "leak", "wait", "exit", "noise", "erase", "ask", "progress"];
const CONFIG = {
  tools: Object.fromEntries(TOOLS.map((name) => [name, READ])),
  inject: [{ secret: "key", environment: "API_KEY" }],
};

let scene: GuardScene;
beforeAll(async () => {
  scene = await guardScene();
});
afterAll(() => scene?.close());

const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

describe("a server that speaks over standard input and output", () => {
  test("serves a step the tools that it was granted, and names no others", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const client = await scene.client(await scene.step("count"), guard);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["count"]);
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("1");
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("2");
    await expect(client.callTool({ name: "noise", arguments: {} })).rejects.toThrow();
    expect(await guard.stop()).toBe(0);
  });

  test("has a process for each session: what one step has counted, another does not see", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const [first, second] = await Promise.all([1, 2].map(async () => scene.client(await scene.step("count"), guard)));
    await first?.callTool({ name: "count", arguments: {} });
    expect(textOf(await second?.callTool({ name: "count", arguments: {} }))).toBe("1");
  });

  test("gets its secret, and nothing else that the guard has: no variable, no descriptor", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const client = await scene.client(await scene.step("surroundings"), guard);
    const found = JSON.parse(textOf(await client.callTool({ name: "surroundings", arguments: {} })));
    expect(found.secretSha256).toBe(createHash("sha256").update(SECRET).digest("hex"));
    expect(found.variables).toEqual(["API_KEY", "HOME", "PATH"]);
    // Its standard streams, which Node.js makes of sockets; and what the program has opened for itself.
    expect(found.files.filter((file: string) => file.startsWith("socket:"))).toHaveLength(3);
    expect(found.files.filter((file: string) => file.startsWith("/") && !/^\/(proc|dev)\//.test(file))).toEqual([]);
  });

  test.for([
    { as: "escaped", before: "" },
    { as: "base64", before: "" },
    { as: "base64", before: "u:" },
    { as: "base64", before: "user:" },
    { as: "base64url", before: "x" },
    { as: "hex", before: "" },
    { as: "percent", before: "key " },
  ])("an answer that holds the secret $as, after $before, is withheld, and the next is not", async ({ as, before }) => {
    const guard = await scene.guard(CONFIG, SERVER);
    const client = await scene.client(await scene.step("leak", "count"), guard);
    await expect(client.callTool({ name: "leak", arguments: { as, before } })).rejects.toThrow(
      "the answer was withheld: it holds a secret of the server's",
    );
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("1");
    expect(guard.stderr()).toContain('an answer to "tools/call" held a secret, and was withheld');
    expect(guard.stderr()).not.toContain(SECRET);
  });

  test("has its call cancelled and its process ended when the step ends", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const step = await scene.step("wait", "surroundings");
    const client = await scene.client(step, guard);
    const { pid } = JSON.parse(textOf(await client.callTool({ name: "surroundings", arguments: {} })));
    const call = client.callTool({ name: "wait", arguments: {} }).catch((thrown: unknown) => thrown);
    await guard.said("server: waiting");
    await step.close("CANCELLED");
    expect(mcpRefusalOf(await call)).toMatchObject({ reason: "STEP_CLOSED" });
    await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), { timeout: 20_000 });
  });

  test("that ends in the middle fails its call with a reason, and a new session is served", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const step = await scene.step("exit", "count");
    const client = await scene.client(step, guard);
    await expect(client.callTool({ name: "exit", arguments: {} })).rejects.toThrow("the server has ended");
    const again = await scene.client(step, guard);
    expect(textOf(await again.callTool({ name: "count", arguments: {} }))).toBe("1");
  });

  test("may say what is no message: it is told to the operator, without the secret", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const client = await scene.client(await scene.step("noise"), guard);
    expect(textOf(await client.callTool({ name: "noise", arguments: {} }))).toBe("made");
    await guard.said("server: [withheld: it holds a secret]");
  });

  test("that says a tool changes something has calls need write, whatever the file says", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const client = await scene.client(await scene.step("erase"), guard);
    expect((await client.listTools()).tools).toEqual([]);
    await expect(client.callTool({ name: "erase", arguments: {} })).rejects.toThrow();
    expect(guard.stderr()).toContain('the server says that "erase" changes something');
  });

  test("asks its client, and reports progress, as over its own pipes", async () => {
    const guard = await scene.guard(CONFIG, SERVER);
    const step = await scene.step("ask", "progress");
    const client = await scene.client(step, guard, { capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler("elicitation/create", async () => ({ action: "decline" }));
    expect(textOf(await client.callTool({ name: "ask", arguments: {} }))).toBe("decline");
    const seen: unknown[] = [];
    const onprogress = (progress: unknown) => void seen.push(progress);
    await client.callTool({ name: "progress", arguments: {} }, { onprogress });
    expect(seen).toMatchObject([{ progress: 1, total: 2 }]);
  });

  test("has as many processes as the file says, and whoever comes then is told so", async () => {
    const guard = await scene.guard({ ...CONFIG, upstream: { processes_max: 1, command: SERVER } });
    await scene.client(await scene.step("count"), guard);
    await expect(scene.client(await scene.step("count"), guard)).rejects.toThrow("as many as may be");
  });

  test("has a process of its own for tools with secrets of their own, which the others do not get", async () => {
    const inject = [
      { secret: "key", environment: "API_KEY", tools: ["surroundings", "ask", "progress", "wait", "exit"] },
    ];
    const guard = await scene.guard({ ...CONFIG, inject }, SERVER);
    const step = await scene.step("surroundings", "count", "ask", "progress", "exit");
    const client = await scene.client(step, guard, { capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler("elicitation/create", async () => ({ action: "decline" }));
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("1");
    const found = JSON.parse(textOf(await client.callTool({ name: "surroundings", arguments: {} })));
    expect(found.variables).toEqual(["API_KEY", "HOME", "PATH"]);
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("2");
    expect(textOf(await client.callTool({ name: "ask", arguments: {} }))).toBe("decline");
    const seen: unknown[] = [];
    const onprogress = (progress: unknown) => void seen.push(progress);
    await client.callTool({ name: "progress", arguments: {} }, { onprogress });
    expect(seen).toHaveLength(1);
    // Its end is that of its calls alone.
    await expect(client.callTool({ name: "exit", arguments: {} })).rejects.toThrow("the server has ended");
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("3");
    const { pid } = JSON.parse(textOf(await client.callTool({ name: "surroundings", arguments: {} })));
    expect(pid).not.toBe(found.pid);
  });

  test("has no more processes of one step than the file says, so that others find one", async () => {
    const guard = await scene.guard({ ...CONFIG, upstream: { processes_per_step_max: 1, command: SERVER } });
    const step = await scene.step("count");
    const client = await scene.client(step, guard);
    await expect(scene.client(step, guard)).rejects.toThrow("the step has 1 processes of the server");
    await scene.client(await scene.step("count"), guard);
    expect(textOf(await client.callTool({ name: "count", arguments: {} }))).toBe("1");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "runs as the user that the file names, where the guard may choose",
    async () => {
      const user = { uid: 65_534, gid: 65_534 };
      // Which can't read the server of the other tests.
      const code =
        'process.stdin.once("data", () => console.error("uid", process.getuid(), process.getgroups().join()))';
      const guard = await scene.guard({
        ...CONFIG,
        upstream: { user, directory: "/tmp", command: ["node", "-e", code] },
      });
      const step = await scene.step("count");
      const connecting = scene.client(step, guard).catch((thrown: unknown) => thrown);
      await guard.said("server: uid 65534 65534");
      await step.close();
      expect(await connecting).toBeInstanceOf(Error);
    },
  );

  test.skipIf(controlGroups() === undefined)(
    "ends with all that it has started, also with what has left its process group",
    async () => {
      const leave = 'require("node:child_process").spawn("sleep", ["600"], { detached: true, stdio: "ignore" })';
      const code = `process.stdin.once("data", () => console.error("left", ${leave}.pid))`;
      const guard = await scene.guard({ ...CONFIG, upstream: { command: ["node", "-e", code] } });
      const step = await scene.step("count");
      const connecting = scene.client(step, guard).catch((thrown: unknown) => thrown);
      await guard.said("server: left ");
      const [, pid = ""] = /server: left (\d+)/.exec(guard.stderr()) ?? [];
      expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("sleep\n");
      await step.close();
      expect(await connecting).toBeInstanceOf(Error);
      // Killed, and maybe not collected by whoever has inherited it.
      await vi.waitFor(() => expect(existsSync(`/proc/${pid}/exe`)).toBe(false));
    },
  );

  test("that can't be started fails the session with a reason, and no path", async () => {
    const guard = await scene.guard(CONFIG, ["/nowhere/server"]);
    await expect(scene.client(await scene.step("count"), guard)).rejects.toThrow("the server can't be started");
  });
});
