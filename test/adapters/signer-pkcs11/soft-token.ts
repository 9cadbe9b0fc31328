import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARIES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/lib/pkcs11/libsofthsm2.so",
];

export const PIN = "0123-of-the-user";
export const TOKEN_LABEL = "stint test";

/** A directory of SoftHSM's tokens, which goes when it is disposed of. */
export type SoftTokens = {
  readonly module: string;
  readonly configPath: string;
  readonly directory: string;
  /** Makes a token of this label; SoftHSM allows several. */
  make(label?: string): void;
  [Symbol.dispose](): void;
};

/** Why there can be no token here; `undefined` where there can. */
export function whyNoToken(): string | undefined {
  if (!LIBRARIES.some(existsSync)) return "softhsm2 is not installed (apt-get install softhsm2)";
  try {
    createRequire(import.meta.url)("pkcs11js");
    return undefined;
  } catch {
    return "pkcs11js is not built (see the operator's guide, Keys in a hardware module)";
  }
}

/** SoftHSM reads the path of its configuration from the environment once, when the module is initialized. */
export function softTokens(): SoftTokens {
  const directory = mkdtempSync(join(tmpdir(), "stint-tokens-"));
  const tokens = join(directory, "tokens");
  mkdirSync(tokens);
  const configPath = join(directory, "softhsm2.conf");
  writeFileSync(configPath, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  process.env["SOFTHSM2_CONF"] = configPath;
  return {
    module: LIBRARIES.find(existsSync) ?? "",
    configPath,
    directory,
    make(label = TOKEN_LABEL) {
      const args = ["--init-token", "--free", "--label", label, "--so-pin", "of-the-officer", "--pin", PIN];
      execFileSync("softhsm2-util", args, { env: { ...process.env, SOFTHSM2_CONF: configPath }, stdio: "ignore" });
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
