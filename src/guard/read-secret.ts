import { execFile } from "node:child_process";
import { constants, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import { isObject } from "../domain/strict-json.ts";
import { SECRET_CHARACTERS_MIN } from "../sdk/credential-scan/secret-net.ts";
import { answerTo } from "../sdk/mcp-guard/answer-to.ts";
import { textOf } from "../sdk/mcp-guard/text-of.ts";
import type { SecretSource } from "./guard-config.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

const CHARACTERS_MAX = 16_384;
const BYTES_MAX = CHARACTERS_MAX * 4;
/** A caller waits for it. */
const READ_MS_MAX = 10_000;
const READABLE_BY_OTHERS = 0o077;

/**
 * Reads a secret where it is kept.
 *
 * @returns one line, as it goes into a header or a variable.
 * @throws UpstreamFailure SECRET_UNAVAILABLE, by the secret's name and never with a part of it
 */
export async function readSecret(name: string, source: SecretSource): Promise<string> {
  const value = (await readFrom(name, source)).replace(/\r?\n$/, "");
  const isFit = value.length >= SECRET_CHARACTERS_MIN && value.length <= CHARACTERS_MAX && !CONTROLS.test(value);
  if (isFit) return value;
  throw unavailable(name, `is not one line of ${SECRET_CHARACTERS_MIN} to ${CHARACTERS_MAX} characters`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a header and a variable can't hold them.
const CONTROLS = /[\u0000-\u001f\u007f]/;

function readFrom(name: string, source: SecretSource): Promise<string> {
  switch (source.kind) {
    case "file":
      return readFile(name, source.path);
    case "command":
      return readCommand(name, source.command);
    case "vault":
      return readVault(name, source);
  }
}

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
    if (size > BYTES_MAX) throw unavailable(name, "its file is too large");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function readCommand(name: string, [program, ...rest]: readonly [string, ...string[]]): Promise<string> {
  try {
    const limits = { timeout: READ_MS_MAX, maxBuffer: BYTES_MAX, encoding: "utf8" } as const;
    return (await promisify(execFile)(program, rest, limits)).stdout;
  } catch {
    // What the program has printed could hold the secret.
    throw unavailable(name, "its command has failed");
  }
}

/** A secret of a key-value engine, of either version. No redirect is followed: the token is for this store alone. */
async function readVault(name: string, source: Extract<SecretSource, { kind: "vault" }>): Promise<string> {
  const token = (await readFile(name, source.tokenFile)).trim();
  const answer = await getVault(name, source, token);
  const data = isObject(answer) && isObject(answer["data"]) ? answer["data"] : {};
  const fields = isObject(data["data"]) ? data["data"] : data;
  const value = fields[source.field];
  if (typeof value !== "string") throw unavailable(name, "its store has no such field");
  return value;
}

async function getVault(
  name: string,
  { address, path, ca }: Extract<SecretSource, { kind: "vault" }>,
  token: string,
): Promise<unknown> {
  const during = async <Value>(why: string, act: () => Value | Promise<Value>): Promise<Value> => {
    try {
      return await act();
    } catch {
      throw unavailable(name, why);
    }
  };
  const trusted = await during("the certificates of its store's CA can't be read", () =>
    ca === undefined ? undefined : readFileSync(ca),
  );
  const headers = { "x-vault-token": token, "x-vault-request": "true" };
  const sent = { headers, signal: AbortSignal.timeout(READ_MS_MAX), ca: trusted };
  const answer = await during("its store can't be reached", () => answerTo(`${address}/v1/${path}`, sent));
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw unavailable(name, `its store answers with status ${answer.statusCode}`);
  }
  const text = await during("its store's answer broke off, or is too large", () => textOf(answer, BYTES_MAX));
  return during("its store's answer is no JSON", () => JSON.parse(text) as unknown);
}

function unavailable(name: string, why: string): UpstreamFailure {
  return new UpstreamFailure("SECRET_UNAVAILABLE", `the secret ${name}: ${why}`);
}
