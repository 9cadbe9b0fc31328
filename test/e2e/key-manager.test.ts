import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PIN, type SoftTokens, softTokens, TOKEN_LABEL, whyNoToken } from "../adapters/signer-pkcs11/soft-token.ts";
import { type DaemonOptions, startDaemon } from "../daemon.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";

const missing = whyNoToken();
if (missing !== undefined) process.stderr.write(`a broker with its keys in a token is not tested: ${missing}\n`);

describe.skipIf(missing !== undefined)("a broker with its keys in a PKCS #11 token", () => {
  let tokens: SoftTokens;
  let pinFile: string;
  beforeEach(() => {
    tokens = softTokens();
    tokens.make();
    pinFile = join(tokens.directory, "pin");
    writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 });
  });
  afterEach(() => tokens[Symbol.dispose]());

  const configured = (own: object = {}): DaemonOptions => ({
    entries: OWN_ENTRIES,
    environment: { SOFTHSM2_CONF: tokens.configPath },
    config: { key_manager: { pkcs11: { module: tokens.module, token_label: TOKEN_LABEL, ...own } } },
  });

  test("issues, finds its keys again after kill -9, and writes neither key nor PIN anywhere", async () => {
    await using daemon = await startDaemon(configured({ pin_file: pinFile }));
    const kids: (string | undefined)[] = [];
    {
      using runtime = runtimeAt(daemon.workloadSocket);
      kids.push(decodeProtectedHeader((await runtime.open()).token).kid);
    }
    await daemon.kill();
    await using again = await daemon.restart();
    using runtime = runtimeAt(again.workloadSocket);
    kids.push(decodeProtectedHeader((await runtime.open()).token).kid);
    expect(kids[0]).toBeDefined();
    expect(kids[1]).toBe(kids[0]);
    const keys = join(daemon.directory, "data", "keys");
    expect(existsSync(keys) ? readdirSync(keys) : []).toEqual([]);
    expect(daemon.stderr() + again.stderr()).not.toContain(PIN);
  });

  test("takes the PIN from the environment too", async () => {
    const options = configured();
    await using daemon = await startDaemon({
      ...options,
      environment: { ...options.environment, STINT_PKCS11_PIN: PIN },
    });
    expect(daemon.pid).toBeGreaterThan(0);
  });

  test.for([
    { name: "a wrong PIN", text: "not-the-pin", mode: 0o600, says: /the key manager can't be used: CKR_PIN_INCORRECT/ },
    {
      name: "a PIN file that others can read",
      text: PIN,
      mode: 0o640,
      says: /pin-[0-9-]+: has mode 0640, and must have 0600/,
    },
    { name: "an empty PIN file", text: "\n", mode: 0o600, says: /the PIN is missing/ },
  ])("does not start with $name, and says why without the PIN", async ({ text, mode, says }) => {
    const file = join(tokens.directory, `pin-${mode}-${text.length}`);
    writeFileSync(file, text, { mode });
    const refusal = await startDaemon(configured({ pin_file: file })).catch(String);
    expect(refusal).toMatch(says);
    if (text.trim() !== "") expect(refusal).not.toContain(text);
  });
});
