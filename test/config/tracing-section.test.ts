import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { headersIn } from "../../src/main/tracing.ts";
import { configFile, findingsOf, LEAST, load } from "./config-files.ts";

describe("tracing", () => {
  test("as the guide shows it", () => {
    const shown = readFileSync(join(import.meta.dirname, "../docs/tracing.yaml"), "utf8");
    expect(load(LEAST + shown).tracing).toEqual({
      url: "http://127.0.0.1:4318/v1/traces",
      share: 0.1,
      headersFile: "/etc/stint/otlp-headers",
    });
  });

  test("is off where nothing is said, and whole where only the collector is", () => {
    expect(load(LEAST).tracing).toBeUndefined();
    const { tracing } = load(`${LEAST}tracing: { otlp: "https://collector.example.org/v1/traces" }\n`);
    expect(tracing).toEqual({ url: "https://collector.example.org/v1/traces", share: 1 });
  });

  test.for([
    ["plain HTTP to another machine", `{ otlp: "http://collector.example.org:4318/v1/traces" }`, "tracing.otlp"],
    ["a password in the URL", `{ otlp: "https://user:password@collector.example.org/" }`, "tracing.otlp"],
    ["a token in the URL", `{ otlp: "https://collector.example.org/v1/traces?token=1" }`, "tracing.otlp"],
    ["no URL", "{ otlp: collector }", "tracing.otlp"],
    ["no collector", "{ sample: 1 }", "tracing.otlp"],
    ["more than all", `{ otlp: "https://c.example.org/", sample: 1.1 }`, "tracing.sample"],
    ["a relative path", `{ otlp: "https://c.example.org/", headers_file: headers }`, "tracing.headers_file"],
  ] as const)("is refused with %s", ([, section, place]) => {
    expect(findingsOf(`${LEAST}tracing: ${section}\n`)).toEqual([expect.stringContaining(place)]);
  });
});

describe("the file of headers", () => {
  const file = (content: string, mode = 0o600) => {
    const path = configFile("", mode);
    writeFileSync(path, content);
    return path;
  };

  test("has a header on each line", async () => {
    const headers = await headersIn(file("authorization: Bearer abc \r\n\nx-scope:one two\n"));
    expect(headers).toEqual({ authorization: "Bearer abc", "x-scope": "one two" });
  });

  test("is refused, by its line and without what is there, where a line is none", async () => {
    const read = headersIn(file("x-scope: one\nBearer secret\n"));
    await expect(read).rejects.toMatchObject({ code: "INVALID_FIELD", message: expect.stringContaining("line 2") });
    await expect(read).rejects.not.toMatchObject({ message: expect.stringContaining("secret") });
  });

  test("is refused where others can read it", async () => {
    await expect(headersIn(file("a: b\n", 0o644))).rejects.toMatchObject({ name: "UnsafeFileError" });
  });
});
