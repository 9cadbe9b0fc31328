import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSpiffeId } from "../../../../src/domain/spiffe-id.ts";
import { STEP } from "../../../samples/credentials.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../../go-toolchain.ts";
import { lineProgram, type Mode, serverProgram } from "../stock-verifier.ts";
import { startVerifying, verifyingContract } from "../verifying-contract.ts";

describe.skipIf(goIsMissing("tests with Go verifiers"))("in Go", () => {
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "stint-go-verifiers-"));
    await buildGo(import.meta.dirname, join(directory, "verifiers"));
  }, GO_BUILD_MS_MAX);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const command = (library: string) => async () => [join(directory, "verifiers"), library];
  const withKeys = (path: string, library: string) => async () => [
    "env",
    `KEYS=${path}`,
    ...(await command(library)()),
  ];

  describe("go-oidc", () => verifyingContract("go-oidc", lineProgram(command("go-oidc"))));
  describe("go-spiffe", () => {
    verifyingContract("go-spiffe", lineProgram(command("go-spiffe")));

    test("reads by spiffebundle no key of /jwks.json, and by jwtbundle no SPIFFE bundle", async () => {
      const by = (path: string) => lineProgram(withKeys(path, "go-spiffe"));
      await using scene = await startVerifying(by("/jwks.json"), "guide");
      expect(await scene.judge(await scene.issuer.mint(scene.audience))).toBe("refused");
      await expect(by("/spiffe-bundle.json")("defaults", scene.issuer.url)).rejects.toThrow(/ended: .*jwtbundle/);
    });
  });
  describe("cap", () => verifyingContract("cap (Vault, OpenBao)", lineProgram(command("cap"))));

  describe("golang-jwt with keyfunc", () => {
    verifyingContract("golang-jwt with keyfunc", lineProgram(command("golang-jwt")));

    test("given the bundle's URL, starts without an error and believes nobody", async () => {
      const byBundle = lineProgram(withKeys("/spiffe-bundle.json", "golang-jwt"));
      await using scene = await startVerifying(byBundle, "defaults");
      expect(await scene.judge(await scene.issuer.mint(scene.audience))).toBe("refused");
    });
  });

  describe("the Go SDK of MCP", () => {
    const start = serverProgram(command("go-sdk"));
    verifyingContract("Go SDK of MCP", start);

    /** What the step that opened a session, and another, are answered in it. */
    async function inSession(mode: Mode): Promise<readonly number[]> {
      await using scene = await startVerifying(start, mode);
      const { audience, issuer } = scene;
      const other = parseSpiffeId("spiffe://example.org/agent/researcher/run/other/step/search/1");
      const post = (token: string, message: object, session?: string): Promise<Response> =>
        fetch(audience, {
          method: "POST",
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
            ...(session !== undefined && { "mcp-session-id": session }),
          },
          body: JSON.stringify({ jsonrpc: "2.0", ...message }),
        });
      const token = await issuer.mint(audience);
      const clientInfo = { name: "agent", version: "1" };
      const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
      const opened = await post(token, { id: 1, method: "initialize", params });
      const session = opened.headers.get("mcp-session-id") ?? "";
      await opened.text();
      await (await post(token, { method: "notifications/initialized" }, session)).text();
      const statuses: number[] = [];
      for (const caller of [token, await issuer.mint(audience, { step: { ...STEP, spiffeId: other } })]) {
        const answer = await post(caller, { id: 2, method: "ping" }, session);
        await answer.text();
        statuses.push(answer.status);
      }
      return statuses;
    }

    test("used as the page says, keeps a session for the step that opened it", async () => {
      expect(await inSession("guide")).toEqual([200, 403]);
    });

    test("without a user, has a session of one step open to every other", async () => {
      expect(await inSession("no user")).toEqual([200, 200]);
    });
  });
});
