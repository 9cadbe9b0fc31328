import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkOut, thisCheckout } from "../../scripts/bench/checkout.ts";

let root: string;

/** And no key of whoever runs this. */
const IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];

const git = (...args: readonly string[]) =>
  execFileSync("git", [...IDENTITY, ...args], {
    cwd: root,
    encoding: "utf8",
  });

function commit(subject: string): string {
  writeFileSync(join(root, "source"), subject);
  git("add", ".");
  git("commit", "--quiet", "--message", subject);
  return git("rev-parse", "HEAD").trim();
}

let first: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "stint-checkout-"));
  git("init", "--quiet");
  writeFileSync(join(root, ".gitignore"), "build/\nnode_modules/\n");
  // npm writes no record of what it has installed where there is nothing: one package, from the folder itself.
  writeFileSync(join(root, "package.json"), '{ "name": "a", "version": "1.0.0", "workspaces": ["b"] }');
  execFileSync("mkdir", [join(root, "b")]);
  writeFileSync(join(root, "b/package.json"), '{ "name": "b", "version": "1.0.0" }');
  execFileSync("npm", ["install", "--package-lock-only", "--ignore-scripts", "--offline"], { cwd: root });
  first = commit("One");
  commit("Two");
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

test("a commit is checked out beside this one, with its packages, and used again", () => {
  const base = checkOut("HEAD~1", root);
  expect(base.commit).toBe(first);
  expect(base.name).toBe(`${first.slice(0, 7)} One`);
  expect(execFileSync("cat", [join(base.directory, "source")], { encoding: "utf8" })).toBe("One");
  expect(existsSync(join(base.directory, "node_modules/b"))).toBe(true);

  // Installed anew, this would be gone.
  writeFileSync(join(base.directory, "node_modules/mark"), "");
  expect(checkOut(first, root)).toEqual(base);
  expect(existsSync(join(base.directory, "node_modules/mark"))).toBe(true);
});

test("packages that were not installed to the end are installed again", () => {
  const { directory } = checkOut(first, root);
  rmSync(join(directory, "node_modules/.package-lock.json"));
  rmSync(join(directory, "node_modules/b"));
  checkOut(first, root);
  expect(existsSync(join(directory, "node_modules/b"))).toBe(true);
});

test("one whose folder was removed by hand is checked out again", () => {
  const { directory } = checkOut(first, root);
  rmSync(directory, { recursive: true });
  checkOut(first, root);
  expect(existsSync(join(directory, "node_modules/b"))).toBe(true);
});

test("one that was changed is not measured", () => {
  const { directory } = checkOut(first, root);
  writeFileSync(join(directory, "source"), "faster");
  expect(() => checkOut(first, root)).toThrow(`is not ${first} as it was committed`);
  execFileSync("git", ["checkout", "--quiet", "."], { cwd: directory });
});

test("what is no commit is said to be none", () => {
  expect(() => checkOut("no-such-branch", root)).toThrow("no-such-branch: no such commit");
  expect(() => checkOut("--help", root)).toThrow("--help: no such commit");
});

test("this checkout is named by its commit, and by whether that is all of it", () => {
  expect(thisCheckout(root).name).toMatch(/^[0-9a-f]{7} Two$/);
  writeFileSync(join(root, "source"), "Three");
  expect(thisCheckout(root).name).toMatch(/^[0-9a-f]{7} Two, and changes that are not committed$/);
});
