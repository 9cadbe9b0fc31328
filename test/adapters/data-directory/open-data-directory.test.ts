import { chmod, chown, lstat, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataDirectory } from "../../../src/adapters/data-directory/open-data-directory.ts";
import { BrokerError } from "../../../src/domain/errors.ts";

const isRoot = process.geteuid?.() === 0;
let parent: string;
let path: string;

beforeEach(async () => {
  parent = await realpath(await mkdtemp(join(tmpdir(), "stint-data-")));
  path = join(parent, "data");
});

afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

async function refusalOf(opened: Promise<unknown>): Promise<BrokerError> {
  const thrown = await opened.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof BrokerError)) throw new Error("was not refused");
  return thrown;
}

async function modeOf(file: string): Promise<string> {
  return ((await lstat(file)).mode & 0o7777).toString(8);
}

test("makes a missing directory for its owner alone, whatever the umask", async () => {
  const umask = process.umask(0);
  try {
    const directory = await openDataDirectory(path);
    expect(directory).toEqual({
      path,
      keys: join(path, "keys"),
      ledger: join(path, "ledger"),
      replica: join(path, "replica"),
      principals: join(path, "principals"),
      exchanges: join(path, "exchanges"),
      checkpoint: join(path, "checkpoint"),
    });
    expect(await Promise.all([path, directory.keys, directory.ledger].map(modeOf))).toEqual(["700", "700", "700"]);
  } finally {
    process.umask(umask);
  }
});

test("opens again what it made, and leaves what is in it", async () => {
  const { checkpoint } = await openDataDirectory(path);
  await writeFile(checkpoint, "kept");
  await openDataDirectory(`${path}/`);
  expect((await lstat(checkpoint)).size).toBe(4);
});

const UNFIT: readonly {
  readonly name: string;
  readonly make: () => Promise<void>;
  readonly named: () => string;
  readonly says: RegExp;
}[] = [
  {
    name: "a directory that its group may read",
    make: () => mkdirWith(path, 0o750),
    named: () => path,
    says: /mode 0750, expected 0700/,
  },
  {
    name: "a directory that others may enter",
    make: () => mkdirWith(path, 0o701),
    named: () => path,
    says: /mode 0701, expected 0700/,
  },
  {
    name: "a file in its place",
    make: () => writeFile(path, "", { mode: 0o700 }),
    named: () => path,
    says: /expected a directory, and no symlink \(ENOTDIR\)/,
  },
  {
    name: "a symlink, even to a directory that would do",
    make: async () => {
      await mkdirWith(join(parent, "elsewhere"), 0o700);
      await symlink(join(parent, "elsewhere"), path);
    },
    named: () => path,
    says: /no symlink/,
  },
  {
    name: "a symlink to nothing",
    make: () => symlink(join(parent, "nothing"), path),
    named: () => path,
    says: /no symlink/,
  },
  {
    name: "a parent that is not there",
    make: async () => {
      await rename(parent, `${parent}-away`);
      path = join(parent, "data");
      parent = `${parent}-away`;
    },
    named: () => path,
    says: /parent directory has to exist \(ENOENT\)/,
  },
  {
    name: "a parent in which anybody may replace it",
    make: () => chmod(parent, 0o777),
    named: () => parent,
    says: /anybody may write here \(mode 0777\)/,
  },
  {
    name: "a directory further up in which anybody may replace the parent",
    make: async () => {
      await mkdirWith(join(parent, "between"), 0o700);
      path = join(parent, "between", "data");
      await chmod(parent, 0o777);
    },
    named: () => parent,
    says: /anybody may write here/,
  },
  {
    name: "keys that are a symlink",
    make: async () => {
      await mkdirWith(path, 0o700);
      await mkdirWith(join(parent, "keys"), 0o700);
      await symlink(join(parent, "keys"), join(path, "keys"));
    },
    named: () => join(path, "keys"),
    says: /no symlink/,
  },
  {
    name: "keys that others may list",
    make: async () => {
      await mkdirWith(path, 0o700);
      await mkdirWith(join(path, "keys"), 0o755);
    },
    named: () => join(path, "keys"),
    says: /mode 0755, expected 0700/,
  },
  {
    name: "a ledger directory that is a file",
    make: async () => {
      await mkdirWith(path, 0o700);
      await writeFile(join(path, "ledger"), "");
    },
    named: () => join(path, "ledger"),
    says: /expected a directory/,
  },
];

async function mkdirWith(directory: string, mode: number): Promise<void> {
  await mkdir(directory);
  await chmod(directory, mode);
}

test.for(UNFIT)("refuses $name, and names it", async ({ make, named, says }) => {
  await make();
  const refusal = await refusalOf(openDataDirectory(path));
  expect(refusal.code).toBe("NOT_SERVING");
  expect(refusal.detail).toMatch(says);
  expect(refusal.detail?.startsWith(`${named()}: `)).toBe(true);
});

test("tells its callers no path: only the log's detail has it", async () => {
  await mkdirWith(path, 0o755);
  expect((await refusalOf(openDataDirectory(path))).message).not.toContain(basename(parent));
});

test("a sticky parent that anybody may write to is fit: there nobody can replace what is another's", async () => {
  await chmod(parent, 0o1777);
  await expect(openDataDirectory(path)).resolves.toMatchObject({ path });
});

test.skipIf(!isRoot)("refuses a directory of another user, though root could use it", async () => {
  await mkdirWith(path, 0o700);
  await chown(path, 65_534, 65_534);
  expect((await refusalOf(openDataDirectory(path))).detail).toBe(
    `${path}: belongs to uid 65534, not to the user that the broker runs as`,
  );
});

test.for(["data", "./data", "/tmp/../data", "/tmp/./data"])(
  "refuses the path %s, which is not plain and absolute",
  async (odd) => {
    expect((await refusalOf(openDataDirectory(odd))).detail).toMatch(/absolute path without/);
  },
);
