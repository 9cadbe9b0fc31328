import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { ConfigError, formatFinding } from "../../src/config/finding.ts";
import { type LoadOptions, loadConfig } from "../../src/config/load-config.ts";
import type { Environment } from "../../src/config/settings.ts";

/** The least that a configuration has to say. */
export const LEAST = "trust_domain: example.org\nissuer: https://stint.example.org\n";

/** No test depends on who runs it or on the machine's users. */
export const OPTIONS: LoadOptions = {
  user: { uid: 900, gids: [900, 500] },
  accounts: {
    users: [
      { name: "stint", uid: 900, gid: 900 },
      { name: "admin", uid: 1000, gid: 100 },
      { name: "agent", uid: 1001, gid: 1001 },
      { name: "graph", uid: 1002, gid: 1002 },
    ],
    groups: [
      { name: "stint", gid: 900, members: [] },
      { name: "operators", gid: 500, members: ["stint", "admin"] },
      { name: "agents", gid: 600, members: ["agent"] },
    ],
  },
};

/** Writes a configuration to a file of its own, which goes with the test. */
export function configFile(content: string | Uint8Array, mode = 0o644): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "stint.yaml");
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

export function load(content: string, environment: Environment = {}, options: LoadOptions = {}): Config {
  return loadConfig(configFile(content), environment, { ...OPTIONS, ...options });
}

/** What is found wrong, one line each, with the file named as if it were in the working directory. */
export function findingsOf(
  content: string | Uint8Array,
  environment: Environment = {},
  options: LoadOptions = {},
): readonly string[] {
  const path = configFile(content);
  try {
    loadConfig(path, environment, { ...OPTIONS, ...options });
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.findings.map((finding) => formatFinding(finding).replaceAll(path, "stint.yaml"));
  }
  return [];
}

export function warningsOf(content: string, options: LoadOptions = {}): readonly string[] {
  return load(content, {}, options).warnings.map((finding) =>
    formatFinding(finding).replace(/^.*\/stint\.yaml/, "stint.yaml"),
  );
}
