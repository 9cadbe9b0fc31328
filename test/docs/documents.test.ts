import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { settingsPage } from "../../scripts/settings-page.ts";
import { codeBlocksOf, documents, linkedFiles, read, root, sourceText } from "./documents.ts";

/** What nobody runs: output, and files of other systems. */
const NOT_CODE = ["", "text", "ini"];

test("the page of settings is what the schema says: if not, run `make settings`", () => {
  expect(read("docs/settings.md")).toBe(settingsPage());
});

describe.for(documents())("%s", (path) => {
  const blocks = codeBlocksOf(path).filter(({ language }) => !NOT_CODE.includes(language));

  test("shows no code but what is compiled or run by a test", () => {
    for (const { source, text, line } of blocks) {
      if (text.split("\n").every((command) => command.startsWith("make "))) continue;
      expect(source, `${path}:${line} has no source`).toBeDefined();
      expect(text, `${path}:${line}`).toBe(sourceText(source ?? ""));
    }
  });

  test("names only targets of make that exist", () => {
    const inText = [...read(path).matchAll(/`make ([a-z-]+)`/g)].map(([, target]) => target);
    const inBlocks = blocks.flatMap(({ text }) => [...text.matchAll(/^make ([a-z-]+)/gm)].map(([, target]) => target));
    for (const target of [...inText, ...inBlocks]) {
      expect(read("Makefile"), `make ${target}`).toMatch(new RegExp(`^${target}:`, "m"));
    }
  });

  test("links to files that are there", () => {
    expect(linkedFiles(path).filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test("names tests that are there", () => {
    const named = [...read(path).matchAll(/`(test\/[\w./-]+\.(?:test\.ts|py|ts))`/g)].map(([, file]) => file ?? "");
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
