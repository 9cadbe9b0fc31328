import { expect, test } from "vitest";
import { checkNode } from "../../src/main/node-version.ts";

test("a release of Node.js whose TLS servers lose intermediates is refused, by its name; those beside it are not", () => {
  expect(() => checkNode("24.21.0")).toThrow(
    expect.objectContaining({ code: "NOT_SERVING", message: expect.stringContaining("Node.js 24.21.0") }),
  );
  for (const version of ["24.20.0", "24.22.0", "24.22.3", "26.0.0"]) expect(() => checkNode(version)).not.toThrow();
});
