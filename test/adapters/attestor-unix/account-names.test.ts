import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAccountNames, parseAccounts } from "../../../src/adapters/attestor-unix/account-names.ts";
import { parseSelector } from "../../../src/domain/selector.ts";

describe("the lines of an account file", () => {
  test.for([
    { line: "an account", text: "agent:x:1001:1001::/:/bin/sh", names: [[1001, "agent"]] },
    { line: "a group with members", text: "agents:x:1001:alice,bob", names: [[1001, "agents"]] },
    { line: "a comment", text: "# agent:x:1001", names: [] },
    { line: "an empty line", text: "\n\n", names: [] },
    { line: "no id", text: "agent:x::1001", names: [] },
    { line: "an id that is no number", text: "agent:x:1001x:1", names: [] },
    { line: "a negative id", text: "agent:x:-1:1", names: [] },
    { line: "no name", text: ":x:1001:1", names: [] },
    { line: "a name with a space", text: "an agent:x:1001:1", names: [] },
    { line: "a compat entry that adds a user", text: "+agent:x:1001:1", names: [] },
    { line: "a compat entry that removes one", text: "-agent:x:1001:1", names: [] },
    { line: "two names of one id", text: "first:x:7:\nsecond:x:7:", names: [[7, "first"]] },
  ])("name what they should: $line", ({ text, names }) => {
    expect([...parseAccounts(text)]).toEqual(names);
  });

  test("never yield a name that a selector could not hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(), (name, id) => {
        for (const found of parseAccounts(`${name}:x:${id}:`).values()) {
          expect(() => parseSelector(`unix:user:${found}`)).not.toThrow();
        }
      }),
    );
  });
});

describe("account names", () => {
  let directory: string;
  let passwd: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "stint-"));
    passwd = join(directory, "passwd");
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("follow the file when it is replaced, and are gone with it", async () => {
    writeFileSync(passwd, "before:x:7:");
    const names = createAccountNames({ passwd, group: passwd });
    expect(names.userName(7)).toBe("before");

    // As usermod does it.
    writeFileSync(`${passwd}+`, "after_:x:7:");
    renameSync(`${passwd}+`, passwd);
    await nextTurn();
    expect(names.userName(7)).toBe("after_");

    rmSync(passwd);
    await nextTurn();
    expect(names.userName(7)).toBeUndefined();
    expect(names.groupName(7)).toBeUndefined();
  });
});
