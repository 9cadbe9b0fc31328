import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { RunAs } from "../demo/start-actor.ts";
import { NEEDS } from "./shop.ts";

const STINT = fileURLToPath(new URL("../../src/cli/stint.ts", import.meta.url));

export type Guard = {
  readonly url: string;
  /** All that it has said so far. */
  said(): string;
  kill(): Promise<void>;
};

/** Runs `stint guard` in front of the notes, which somebody else serves and nobody here changes. */
export async function startGuard(
  directory: string,
  { user, program = process.execPath }: RunAs,
  terms: {
    readonly resource: string;
    readonly upstream: string;
    readonly key: string;
    readonly endpoint: string;
    readonly issuer: string;
    readonly development: boolean;
  },
): Promise<Guard> {
  const { resource, upstream, key, endpoint, issuer, development } = terms;
  const keyFile = join(directory, "notes.key");
  const configFile = join(directory, "guard.yaml");
  const config = {
    ...{ resource, issuer, listen: "127.0.0.1:0", development },
    upstream: { url: upstream },
    secrets: { notes: { file: keyFile } },
    inject: [{ secret: "notes", header: "Authorization", as: "Bearer {}" }],
    tools: NEEDS.notes,
  };
  for (const [path, text] of [
    [keyFile, `${key}\n`],
    [configFile, stringify(config)],
  ] as const) {
    writeFileSync(path, text, { mode: 0o600 });
    if (user !== undefined) chownSync(path, user, user);
  }
  const child = spawn(program, [STINT, "--socket", endpoint, "guard", "--config", configFile], {
    stdio: ["ignore", "inherit", "pipe"],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const lines: string[] = [];
  const serving = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    const [, url] = / is served at (\S+)/.exec(line) ?? [];
    if (url !== undefined) serving.resolve(url);
  });
  const gone = once(child, "exit").catch(() => undefined);
  void gone.then(() => serving.reject(new Error(`stint guard did not start:\n${lines.slice(-10).join("\n")}`)));
  const url = await serving.promise;
  return {
    url: new URL("/mcp", url).href,
    said: () => lines.join("\n"),
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
