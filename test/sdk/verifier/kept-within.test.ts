import { inspect } from "node:util";
import { expect, test } from "vitest";
import { createKeptWithin } from "../../../src/sdk/verifier/kept-within.ts";

const TOKEN = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";

test("gives what was kept with this very object, frozen or not, and nothing for any other", () => {
  const texts = createKeptWithin<object, string>();
  const step = Object.freeze({ stepId: "s-1" });
  texts.set(step, TOKEN);
  expect(texts.get(step)).toBe(TOKEN);
  expect(texts.get({ ...step })).toBeUndefined();
  expect(createKeptWithin<object, string>().get(step)).toBeUndefined();
});

test("is seen by nobody who lists, copies, prints or serializes the object", () => {
  const step = { stepId: "s-1" };
  createKeptWithin<object, string>().set(step, TOKEN);
  expect(Reflect.ownKeys(step)).toEqual(["stepId"]);
  expect(JSON.stringify([step, structuredClone(step)])).not.toContain(TOKEN);
  expect(inspect(step, { showHidden: true, depth: null })).not.toContain(TOKEN);
});

test("takes no second value for an object", () => {
  const texts = createKeptWithin<object, string>();
  const step = {};
  texts.set(step, "first");
  expect(() => texts.set(step, "second")).toThrow(TypeError);
  expect(texts.get(step)).toBe("first");
});
