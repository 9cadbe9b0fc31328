import { constants, readdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "../../domain/limits.ts";
import type { Policy } from "../../domain/policy-set.ts";
import type { PolicyFinding } from "../../ports/policy-engine.ts";
import { baselineFiles } from "./policy-files.ts";
import { splitPolicies } from "./split-policies.ts";

export type PoliciesRead = {
  /** Sorted by id. */
  readonly policies: readonly Policy[];
  /** What keeps the policies from being used. */
  readonly findings: readonly PolicyFinding[];
  /** Files of the directory that are no policies, by the name they are ignored under. */
  readonly ignored: readonly PolicyFinding[];
};

export type PolicySources = {
  /** Whether the policies that come with Stint are to be among them. */
  readonly baseline: boolean;
  /** A site's own: each file `<name>.cedar` in it, at least one, none below. */
  readonly directory?: string;
  /**
   * Given where nobody is at hand to answer for the files: then nobody but this user and root may be able to write to them,
   * or to add one.
   */
  readonly writer?: number;
};

/** More than a thousand policies of a usual size. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Files that are open at once. */
const OPEN_FILES_MAX = 16;
const WORLD_WRITABLE = 0o002;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;
/** Opening a FIFO would otherwise wait for a writer for ever; a link could lead out of what was looked at. */
const FILE_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
const POLICY_FILE = /\.cedar$/;
const HOLDS_NONE = "holds no file *.cedar; a site without policies of its own leaves policies.directory out";
/** What `stint policy test` runs lies beside the policies. */
const TEST_FILE = /\.test\.ya?ml$/;

/** Reads policies from files. Whether they are valid is for the engine's `check` to say. */
export async function readPolicies({ baseline, directory, writer }: PolicySources): Promise<PoliciesRead> {
  const parts: PoliciesRead[] = [];
  if (baseline) parts.push(united(baselineFiles().map(({ name, text }) => splitPolicies(text, name))));
  if (directory !== undefined) parts.push(await readDirectory(directory, writer));
  return united(parts);
}

/** Reads policies from files that somebody names. */
export async function readPolicyFiles(paths: readonly string[]): Promise<PoliciesRead> {
  return united(await inTurn(paths, (path) => readFile(path, path, undefined)));
}

type FileRead = Pick<PoliciesRead, "policies" | "findings"> & Partial<PoliciesRead>;

function united(parts: readonly FileRead[]): PoliciesRead {
  const policies = parts.flatMap((part) => part.policies);
  return {
    policies: policies.sort((a, b) => (a.policyId < b.policyId ? -1 : a.policyId > b.policyId ? 1 : 0)),
    findings: parts.flatMap((part) => part.findings),
    ignored: parts.flatMap((part) => part.ignored ?? []),
  };
}

function found(file: string, message: string): PolicyFinding {
  return { file, line: 1, column: 1, message };
}

async function readDirectory(directory: string, writer: number | undefined): Promise<PoliciesRead> {
  const refused = (message: string): PoliciesRead => ({
    policies: [],
    findings: [found(directory, message)],
    ignored: [],
  });
  let names: readonly string[];
  try {
    await using handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    const problem = await writableBy(handle, writer);
    if (problem !== undefined) return refused(problem);
    names = readdirSync(directory).sort();
  } catch (thrown) {
    return refused(unreadable(thrown));
  }
  const files = names.filter((name) => POLICY_FILE.test(name));
  // A volume that is not mounted, or a mistyped path: without this what the site forbids would be permitted, and nobody told.
  if (files.length === 0) return refused(HOLDS_NONE);
  if (files.length > LIMITS.policiesPerSetMax) return refused(`expected at most ${LIMITS.policiesPerSetMax} files`);
  const read = await inTurn(files, (name) => readFile(join(directory, name), name, writer));
  const others = names.filter((name) => !POLICY_FILE.test(name) && !TEST_FILE.test(name));
  return { ...united(read), ignored: others.map((name) => found(name, "ignored: not named *.cedar")) };
}

async function inTurn<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += OPEN_FILES_MAX) {
    results.push(...(await Promise.all(items.slice(from, from + OPEN_FILES_MAX).map(act))));
  }
  return results;
}

async function readFile(path: string, name: string, writer: number | undefined): Promise<FileRead> {
  const refused = (message: string) => ({ policies: [], findings: [found(name, message)] });
  try {
    await using handle = await open(path, FILE_FLAGS);
    const facts = await handle.stat();
    if (!facts.isFile()) return refused("expected a file");
    const problem = await writableBy(handle, writer);
    if (problem !== undefined) return refused(problem);
    if (facts.size > FILE_BYTES_MAX) return refused(`expected at most ${FILE_BYTES_MAX} bytes`);
    const bytes = new Uint8Array(facts.size);
    const { bytesRead } = await handle.read(bytes, 0, facts.size, 0);
    const text = utf8Of(bytes.subarray(0, bytesRead));
    return text === undefined ? refused("expected UTF-8") : splitPolicies(text, name);
  } catch (thrown) {
    return refused(unreadable(thrown));
  }
}

async function writableBy(handle: FileHandle, writer: number | undefined): Promise<string | undefined> {
  const { mode, uid } = await handle.stat();
  if ((mode & WORLD_WRITABLE) !== 0) return "anybody may write to it; take that away (chmod o-w)";
  const others = (mode & WRITABLE_BY_OTHERS) !== 0 || (uid !== ROOT && uid !== writer);
  return writer !== undefined && others ? "others than root and the daemon's user may write to it" : undefined;
}

function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
  return code === "ELOOP" ? "expected a file, not a symbolic link" : `can't be read (${code})`;
}
