import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PolicySources, readPolicies } from "../../../src/adapters/policy-cedar/read-policies.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-policies-"));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const PERMIT = "permit (principal, action, resource);\n";
const write = (name: string, text: string | Uint8Array = PERMIT, mode = 0o644): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const read = (over: Partial<PolicySources> = {}) => readPolicies({ baseline: false, directory, ...over });
const self = process.getuid?.() ?? 0;

describe("policies are read", () => {
  test("sorted by id, from all files of the directory, with the baseline where it is asked for", async () => {
    write("b.cedar", `@id("z") ${PERMIT}@id("a") ${PERMIT}`);
    write("a.cedar");
    expect((await read()).policies.map(({ policyId, file, line }) => [policyId, file, line])).toEqual([
      ["a", "b.cedar", 2],
      ["a.1", "a.cedar", 1],
      ["z", "b.cedar", 1],
    ]);
    const together = (await read({ baseline: true })).policies.map(({ policyId }) => policyId);
    expect(together).toEqual([...together].sort());
    expect(together).toEqual(
      expect.arrayContaining(["a", "z", "baseline.ceiling", "baseline.separation", "baseline.ratchet"]),
    );
  });

  test("of files of policies alone: others are named and ignored, tests are silently left alone", async () => {
    write("a.cedar");
    for (const name of ["a.cedar~", ".a.cedar.swp", "README.md", "a.test.yaml"]) write(name);
    mkdirSync(join(directory, "sub"));
    const { policies, findings, ignored } = await read();
    expect([policies.length, findings]).toEqual([1, []]);
    expect(ignored.map(({ file }) => file)).toEqual([".a.cedar.swp", "README.md", "a.cedar~", "sub"]);
  });

  test("though the owner of the files is root, or the daemon's user", async () => {
    write("a.cedar");
    expect((await read({ writer: self })).findings).toEqual([]);
  });
});

describe("a file is refused, and named", () => {
  const refused = async (over: Partial<PolicySources> = {}) =>
    (await read(over)).findings.map(({ file, message }) => [file, message]);

  test.for([
    { what: "that anybody may write to", mode: 0o646, writer: false, why: "anybody may write to it" },
    { what: "that a group may write to, where nobody is at hand", mode: 0o664, writer: true, why: "others than root" },
  ])("$what", async ({ mode, writer, why }) => {
    write("a.cedar", PERMIT, mode);
    expect(await refused(writer ? { writer: self } : {})).toEqual([["a.cedar", expect.stringContaining(why)]]);
  });

  test("that a group may write to only where nobody is at hand to answer for it", async () => {
    write("a.cedar", PERMIT, 0o664);
    expect(await refused()).toEqual([]);
  });

  test.runIf(self === 0)("that belongs to somebody else", async () => {
    chownSync(write("a.cedar"), 12_345, 12_345);
    expect(await refused({ writer: 0 })).toEqual([["a.cedar", expect.stringContaining("others than root")]]);
    expect(await refused({ writer: 12_345 })).toEqual([]);
  });

  test("that is a link, wherever it leads", async () => {
    const target = join(directory, "target");
    writeFileSync(target, PERMIT);
    symlinkSync(target, join(directory, "a.cedar"));
    expect(await refused()).toEqual([["a.cedar", "expected a file, not a symbolic link"]]);
  });

  test("that is a folder", async () => {
    mkdirSync(join(directory, "a.cedar"));
    expect(await refused()).toEqual([["a.cedar", "expected a file"]]);
  });

  test.for([
    {
      what: "larger than a file of policies",
      bytes: Buffer.alloc(1024 * 1024 + 1, " "),
      why: "expected at most 1048576 bytes",
    },
    { what: "no UTF-8", bytes: Buffer.from([0xff, 0xfe]), why: "expected UTF-8" },
  ])("that is $what", async ({ bytes, why }) => {
    write("a.cedar", bytes);
    write("b.cedar");
    const { policies, findings } = await read();
    expect(findings).toEqual([{ file: "a.cedar", line: 1, column: 1, message: why }]);
    expect(policies.map(({ policyId }) => policyId)).toEqual(["b.1"]);
  });
});

describe("a directory is refused", () => {
  test("to which others could add a policy", async () => {
    write("a.cedar");
    chmodSync(directory, 0o775);
    expect((await read()).findings).toEqual([]);
    const { policies, findings } = await read({ writer: self });
    expect([policies, findings]).toEqual([
      [],
      [expect.objectContaining({ file: directory, message: expect.stringContaining("others than root") })],
    ]);
    chmodSync(directory, 0o777);
    expect((await read()).findings).toMatchObject([{ message: expect.stringContaining("anybody may write to it") }]);
  });

  test("that holds no file of policies: of a volume that is not mounted, what the site forbids would be permitted", async () => {
    for (const name of ["notes.txt", "a.test.yaml", "a.cedar~"]) write(name);
    for (const baseline of [false, true]) {
      expect((await read({ baseline })).findings).toEqual([
        {
          ...{ file: directory, line: 1, column: 1 },
          message: "holds no file *.cedar; a site without policies of its own leaves policies.directory out",
        },
      ]);
    }
  });

  test("that is not there, or is a file", async () => {
    expect((await read({ directory: join(directory, "no") })).findings).toMatchObject([
      { message: "can't be read (ENOENT)" },
    ]);
    expect((await read({ directory: write("file") })).findings).toMatchObject([{ message: "can't be read (ENOTDIR)" }]);
  });
});
