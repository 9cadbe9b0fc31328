import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import type { SecretSource } from "./guard-config.ts";
import { createSecretNet, SECRET_CHARACTERS_MIN, type SecretNet } from "./secret-net.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** What the server behind the guard wants to see, and nobody else may. */
export type Secrets = {
  /** As it is now. @throws UpstreamFailure SECRET_UNAVAILABLE, by the secret's name and never with a part of it */
  valueOf(name: string): Promise<string>;
  /** Finds all that were ever handed out here. */
  readonly net: () => SecretNet;
};

const CHARACTERS_MAX = 16_384;
const COMMAND_MS_MAX = 10_000;
/** Read again this often: whoever rotates a file starts nothing anew. */
const FILE_KEPT_MS = 5_000;
const READABLE_BY_OTHERS = 0o077;
/** As many of one name stay in the net: an answer may be under way that was made with the one before. */
const VALUES_KEPT_MAX = 4;

type Kept = { readonly value: string; readonly untilMs: number };

/**
 * @param nowMs - of a clock that is never set.
 */
export function createSecrets(sources: Readonly<Record<string, SecretSource>>, nowMs: () => number): Secrets {
  const kept = new Map<string, Kept>();
  const reading = new Map<string, Promise<string>>();
  const handedOut = new Map<string, readonly string[]>();
  let net = createSecretNet([]);

  async function read(name: string, source: SecretSource): Promise<string> {
    const text = source.kind === "file" ? await readFile(name, source.path) : await readCommand(name, source.command);
    const value = text.replace(/\r?\n$/, "");
    const isFit = value.length >= SECRET_CHARACTERS_MIN && value.length <= CHARACTERS_MAX && !CONTROLS.test(value);
    if (!isFit) throw unavailable(name, `is not one line of ${SECRET_CHARACTERS_MIN} to ${CHARACTERS_MAX} characters`);
    const keptMs = source.kind === "file" ? FILE_KEPT_MS : source.keepSeconds * 1_000;
    kept.set(name, { value, untilMs: nowMs() + keptMs });
    const before = handedOut.get(name) ?? [];
    if (!before.includes(value)) {
      handedOut.set(name, [value, ...before].slice(0, VALUES_KEPT_MAX));
      net = createSecretNet([...handedOut.values()].flat());
    }
    return value;
  }

  return {
    async valueOf(name) {
      const source = sources[name];
      if (source === undefined) throw new RangeError("a secret that the configuration does not name");
      const known = kept.get(name);
      if (known !== undefined && nowMs() < known.untilMs) return known.value;
      const under = reading.get(name) ?? read(name, source).finally(() => reading.delete(name));
      reading.set(name, under);
      return under;
    },
    net: () => net,
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a header and a variable can't hold them.
const CONTROLS = /[\u0000-\u001f\u007f]/;

async function readFile(name: string, path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch {
    throw unavailable(name, "its file can't be read");
  }
  try {
    const { mode, uid, size } = await file.stat();
    const isOwn = [0, process.getuid?.() ?? 0].includes(uid) && (mode & READABLE_BY_OTHERS) === 0;
    if (!isOwn) throw unavailable(name, "others than the guard's user may read or write its file");
    if (size > CHARACTERS_MAX * 4) throw unavailable(name, "its file is too large");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function readCommand(name: string, [program, ...rest]: readonly [string, ...string[]]): Promise<string> {
  try {
    const limits = { timeout: COMMAND_MS_MAX, maxBuffer: CHARACTERS_MAX * 4, encoding: "utf8" } as const;
    return (await promisify(execFile)(program, rest, limits)).stdout;
  } catch {
    // What the program has printed could hold the secret.
    throw unavailable(name, "its command has failed");
  }
}

function unavailable(name: string, why: string): UpstreamFailure {
  return new UpstreamFailure("SECRET_UNAVAILABLE", `the secret ${name}: ${why}`);
}
