import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSecrets } from "../../../src/guard/secrets.ts";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { pythonIsMissing } from "../python/python-environment.ts";
import { type OpenBao, startOpenBao } from "./openbao-server.ts";

describe.skipIf(pythonIsMissing() !== undefined)("a guard's secret in OpenBao", () => {
  let bao: OpenBao;
  let directory: string;
  let tokenFile: string;
  beforeAll(async () => {
    bao = await startOpenBao();
    directory = mkdtempSync(join(tmpdir(), "stint-bao-"));
    tokenFile = join(directory, "token");
    // What a guard is given: a token that reads this one path.
    const policy = 'path "secret/data/github" { capabilities = ["read"] }';
    await bao.ask("PUT", "sys/policies/acl/guard", { policy });
    const created = (await bao.ask("POST", "auth/token/create", { policies: ["guard"] })) as {
      auth: { client_token: string };
    };
    writeFileSync(tokenFile, `${created.auth.client_token}\n`, { mode: 0o600 });
    await bao.ask("POST", "secret/data/github", {
      data: { token: "the first of the tokens", "two-lines": "one\ntwo\n" },
    });
    await bao.ask("POST", "secret/data/other", { data: { token: "another server's token" } });
  }, INSTALL_MS_MAX);
  afterAll(async () => {
    await bao?.close();
    rmSync(directory, { recursive: true });
  });

  let nowMs = 0;
  const secretsOf = (own: Readonly<Record<string, string>> = {}) => {
    const source = { address: bao.address, path: "secret/data/github", field: "token", tokenFile, keepSeconds: 60 };
    return createSecrets({ github: { kind: "vault", ...source, ...own } }, () => nowMs);
  };

  test("is read, kept for as long as the file says, and read again: what was rotated stays in the net", async () => {
    const secrets = secretsOf();
    expect(await secrets.valueOf("github")).toBe("the first of the tokens");
    await bao.ask("POST", "secret/data/github", { data: { token: "the second of the tokens" } });
    nowMs += 59_000;
    expect(await secrets.valueOf("github")).toBe("the first of the tokens");
    nowMs += 2_000;
    expect(await secrets.valueOf("github")).toBe("the second of the tokens");
    expect(["the first of the tokens", "the second of the tokens"].map((one) => secrets.net().holds(one))).toEqual([
      true,
      true,
    ]);
  });

  test.for([
    { what: "the token may not read", own: { path: "secret/data/other" }, says: "its store answers with status 403" },
    { what: "has no such field", own: { field: "password" }, says: "its store has no such field" },
    { what: "nobody answers for", own: { address: "http://127.0.0.1:9" }, says: "its store can't be reached" },
  ])("that $what is refused by name, without a part of token or secret", async ({ own, says }) => {
    const failed = secretsOf(own).valueOf("github");
    await expect(failed).rejects.toMatchObject({ reason: "SECRET_UNAVAILABLE", message: `the secret github: ${says}` });
  });

  test("is not read with a token that others may read", async () => {
    chmodSync(tokenFile, 0o644);
    await expect(secretsOf().valueOf("github")).rejects.toThrow("others than the guard's user may read");
    chmodSync(tokenFile, 0o600);
  });
});
