import { stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openReserve } from "../../../src/adapters/ledger-sqlite/reserve.ts";
import { inDirectory } from "./ledger-directory.ts";

const BYTES = 300_000;

test("a reserve takes its room for real, and gives it back", () =>
  inDirectory(async (directory) => {
    const path = join(directory, "reserve");
    const reserve = openReserve(path, BYTES);
    expect(reserve.isFilled()).toBe(false);
    expect(reserve.fill()).toBe(true);
    expect(reserve.isFilled()).toBe(true);
    const { size, blocks, mode } = await stat(path);
    expect(size).toBe(BYTES);
    expect(blocks * 512).toBeGreaterThanOrEqual(BYTES);
    expect(mode & 0o777).toBe(0o600);
    reserve.release();
    expect(reserve.isFilled()).toBe(false);
    expect((await stat(path)).blocks).toBe(0);
    reserve.release();
    expect(reserve.fill()).toBe(true);
  }));

test("a file that has the size and not the room is no reserve", () =>
  inDirectory(async (directory) => {
    const path = join(directory, "reserve");
    const reserve = openReserve(path, BYTES);
    reserve.fill();
    await truncate(path, 0);
    await truncate(path, BYTES);
    expect((await stat(path)).size).toBe(BYTES);
    expect(reserve.isFilled()).toBe(false);
  }));

test("where it can't be written it is not filled, and nothing is thrown", () =>
  inDirectory(async (directory) => {
    const reserve = openReserve(join(directory, "missing", "reserve"), BYTES);
    expect(reserve.fill()).toBe(false);
    expect(() => reserve.release()).not.toThrow();
  }));

test("a reserve of nothing is always there", () =>
  inDirectory(async (directory) => {
    expect(openReserve(join(directory, "reserve"), 0).isFilled()).toBe(true);
  }));
