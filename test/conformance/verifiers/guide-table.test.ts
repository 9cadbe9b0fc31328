import { expect, test } from "vitest";
import { read } from "../../docs/documents.ts";
import { guideTable } from "./guide-table.ts";

/** Where the versions of all that is run are pinned. */
const PINS = [
  "package.json",
  "test/conformance/python/requirements.txt",
  ...["go/go.mod", "java/pom.xml", "python/requirements.txt", "rust/Cargo.toml", "vault/go.mod"].map(
    (path) => `test/conformance/verifiers/${path}`,
  ),
];

test.for(guideTable())("the guide names the version of $library that is run", ({ versions }) => {
  const pins = PINS.map(read).join("\n");
  const pinned = (version: string) => new RegExp(`[^0-9.]${version.replaceAll(".", "\\.")}(?![0-9.])`).test(pins);
  expect(versions.split(", ").filter((version) => !pinned(version))).toEqual([]);
});
