import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { loadConfig } from "../../src/config/load-config.ts";

const read = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");

function loaded(settings: object) {
  const directory = mkdtempSync(join(tmpdir(), "stint-console-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "stint.yaml");
  writeFileSync(path, stringify(settings));
  return loadConfig(path, {}, { user: { uid: 900, gids: [] } });
}

test("the guide's console is served for an hour at a time, by links alone", () => {
  const config = loaded(parse(read("console.yaml")));
  expect(config.console).toEqual({ sessionSeconds: 3_600 });
  expect(config.operations?.hosts).toEqual(["stint.example.org"]);
});

test("the guide's sign-in is at its provider, and browsers reach the listener by the console's own name", () => {
  const config = loaded({ ...parse(read("console.yaml")), ...parse(read("console-sign-in.yaml")) });
  expect(config.console).toMatchObject({
    url: "https://stint.example.org",
    signIn: { issuer: "https://login.example.org", clientId: "stint-console" },
  });
  expect(config.entries.map(({ name }) => name)).toEqual(["alex"]);
});

test.each([
  [{ console: {} }, "console: expected operations too, which serves this"],
  [{ console: { session: "13h" } }, "console.session: expected 1m to 12h"],
  [{ console: { url: "http://stint.example.org" } }, "console.url: expected an https URL without a path"],
  [{ console: { url: "https://stint.example.org/here" } }, "console.url: expected an https URL without a path"],
  [
    { console: { sign_in: { issuer: "http://login.example.org", client_id: "c" } } },
    "console.sign_in.issuer: expected an https URL",
  ],
  [{ console: { sign_in: { issuer: "https://login.example.org" } } }, "console.sign_in.client_id: missing"],
])("%j is refused by name", (settings, said) => {
  const { operations } = parse(read("console.yaml"));
  const base = { trust_domain: "example.org", issuer: "https://stint.example.org:8443" };
  const with_ = said.includes("operations too") ? {} : { operations };
  expect(() => loaded({ ...base, ...with_, ...settings })).toThrow(said);
});
