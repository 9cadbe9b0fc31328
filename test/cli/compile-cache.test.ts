import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

const program = (name: string) => fileURLToPath(new URL(`../../src/cli/${name}.ts`, import.meta.url));
const isRoot = process.geteuid?.() === 0;
const STRANGER_UID = 12_345;

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "stint-home-"));
  onTestFinished(() => rm(home, { recursive: true }));
});

/** Runs a program to its end, which does what it is for whatever becomes of the cache, without a word of it. */
async function runs(name: "stint" | "stintd", environment: NodeJS.ProcessEnv = { HOME: home }): Promise<void> {
  const { XDG_CACHE_HOME, NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, ...ours } = process.env;
  const child = spawn(process.execPath, [program(name), "--version"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...ours, ...environment },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const [status] = (await once(child, "close")) as [number];
  expect({ status, out, err }).toEqual({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: "" });
}

/** The modules that are kept below a directory. */
function kept(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map(({ name }) => name);
}

describe("what a program compiles", () => {
  test.for(["stint", "stintd"] as const)("is kept by %s where its user alone can write", async (name) => {
    await runs(name);
    const directory = join(home, ".cache/stint/compiled");
    expect(kept(directory).length).toBeGreaterThan(10);
    for (const made of [join(home, ".cache"), join(home, ".cache/stint"), directory]) {
      expect((await stat(made)).mode & 0o777, made).toBe(0o700);
    }
  });

  test("is kept below XDG_CACHE_HOME where that is a path", async () => {
    const named = join(home, "named");
    await runs("stint", { HOME: home, XDG_CACHE_HOME: named });
    expect(kept(join(named, "stint/compiled")).length).toBeGreaterThan(10);
    await runs("stint", { HOME: home, XDG_CACHE_HOME: "relative" });
    expect(kept(join(home, ".cache/stint/compiled")).length).toBeGreaterThan(10);
  });

  test.for([
    { variable: "NODE_DISABLE_COMPILE_CACHE", value: "1" },
    { variable: "NODE_COMPILE_CACHE", value: "elsewhere" },
  ])("is not kept by us where $variable says otherwise", async ({ variable, value }) => {
    await runs("stint", { HOME: home, [variable]: join(home, value) });
    expect(existsSync(join(home, ".cache"))).toBe(false);
  });

  test("is not kept where there is no home", async () => {
    await runs("stint", { HOME: join(home, "gone") });
    expect(existsSync(join(home, "gone"))).toBe(false);
  });
});

describe("a directory is not trusted with code", () => {
  const cache = () => join(home, ".cache");
  const compiled = () => join(cache(), "stint/compiled");
  const changed = (path: string, mode: number) => async () => {
    await mkdir(compiled(), { recursive: true, mode: 0o700 });
    await chmod(path === "" ? cache() : join(cache(), path), mode);
  };
  const given = (path: string) => async () => {
    await mkdir(compiled(), { recursive: true, mode: 0o700 });
    await chown(path === "" ? cache() : join(cache(), path), STRANGER_UID, STRANGER_UID);
  };
  const linked = (path: string) => async () => {
    await mkdir(join(home, "elsewhere/compiled"), { recursive: true, mode: 0o700 });
    await mkdir(join(cache(), path, ".."), { recursive: true, mode: 0o700 });
    await symlink(join(home, "elsewhere", path.slice("stint".length)), join(cache(), path));
  };

  test.for([
    { that: "its group may write", make: changed("stint/compiled", 0o770), asRoot: false },
    { that: "others may read", make: changed("stint/compiled", 0o704), asRoot: false },
    { that: "lies in one that its group may write", make: changed("stint", 0o770), asRoot: false },
    { that: "lies further below one that everybody may write", make: changed("", 0o777), asRoot: false },
    { that: "is a link", make: linked("stint/compiled"), asRoot: false },
    { that: "lies behind a link", make: linked("stint"), asRoot: false },
    { that: "is another user's", make: given("stint/compiled"), asRoot: true },
    { that: "lies in another user's", make: given("stint"), asRoot: true },
    { that: "lies further below another user's", make: given(""), asRoot: true },
  ])("that $that", async ({ make, asRoot }, { skip }) => {
    skip(asRoot && !isRoot, "only root can give a directory away");
    await make();
    await runs("stint");
    expect(kept(home)).toEqual([]);
  });

  test("of another user, in which nothing is made either", async ({ skip }) => {
    skip(!isRoot, "only root can give a directory away");
    await mkdir(cache());
    await chown(home, STRANGER_UID, STRANGER_UID);
    await runs("stint");
    expect(existsSync(join(cache(), "stint"))).toBe(false);
  });
});
