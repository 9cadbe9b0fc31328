import { expect, test } from "vitest";
import { closeAll } from "../../src/main/closers.ts";

test("all is ended, newest first, one after another", async () => {
  const ended: string[] = [];
  const end = (name: string) => async () => {
    await Promise.resolve();
    ended.push(name);
  };
  await closeAll([end("store"), end("followers"), end("servers")]);
  expect(ended).toEqual(["servers", "followers", "store"]);
});

test("what one fails with keeps no other from being ended, and is told in the end", async () => {
  const ended: string[] = [];
  const rejects = () => Promise.reject(new Error("rejects"));
  const throws = () => {
    throw new Error("throws");
  };
  const closing = closeAll([() => void ended.push("store"), rejects, () => void ended.push("followers"), throws]);
  await expect(closing).rejects.toMatchObject({ errors: [{ message: "throws" }, { message: "rejects" }] });
  expect(ended).toEqual(["followers", "store"]);
});
