import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { createStint } from "../../../src/sdk/runtime/index.ts";
import { startDevBroker } from "../../../src/sdk/testing/index.ts";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";

const RESOURCE = "http://localhost:49152/mcp";

test("gives a test a broker of its own, at which steps are opened and verified, and takes it away", async () => {
  const broker = await startDevBroker({ audiences: [RESOURCE], datatypes: ["payroll"] });
  try {
    using stint = createStint({ endpoint: broker.endpoint, agent: "dev" });
    await using verifier = createVerifier({ endpoint: broker.endpoint, audiences: [RESOURCE], development: true });
    await verifier.ready();
    const element = { type: "mcp_tool", locations: [RESOURCE], identifier: "pay" } as const;
    const grant = [{ ...element, actions: ["execute"], datatypes: ["payroll"] }] as const;
    const token = await stint.withStep({ runId: "r", step: "s", grant, awaitReceiptsSeconds: 5 }, async (step) => {
      const svid = (await step.jwtSvid(RESOURCE)).svid();
      expect(verifier.verify(svid)).toMatchObject({ issuer: broker.httpUrl, step: { runId: "r", step: "s" } });
      return svid;
    });
    expect(() => verifier.verify(token)).toThrow(/the step has ended/);
    const listed = execFileSync("sh", ["-c", "test -S $STINT_OPERATOR_SOCKET && echo there"], {
      env: broker.environment,
    });
    expect(listed.toString()).toBe("there\n");
  } finally {
    await broker.stop();
  }
  expect(existsSync(dirname(broker.operatorSocket))).toBe(false);
  await broker.stop();
});

test("says what kept it from starting", async () => {
  await expect(startDevBroker({ command: "no-such-stint" })).rejects.toThrow(/there is no command/);
  await expect(startDevBroker({ audiences: ["HTTP://Localhost/"] })).rejects.toThrow(/audiences: a canonical/);
});

test("ends with the process that started it, however that ends", async () => {
  const module = fileURLToPath(new URL("../../../src/sdk/testing/index.ts", import.meta.url));
  const program = `
    import { startDevBroker } from ${JSON.stringify(module)};
    const { operatorSocket } = await startDevBroker();
    console.log(operatorSocket);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [socket] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  expect(existsSync(socket)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  await vi.waitFor(() => expect(existsSync(socket)).toBe(false), { timeout: 10_000 });
});
