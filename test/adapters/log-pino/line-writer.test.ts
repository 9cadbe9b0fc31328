import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createLineWriter } from "../../../src/adapters/log-pino/line-writer.ts";
import { createLog } from "../../../src/adapters/log-pino/log-pino.ts";
import { type FullPipe, fullPipe } from "../../faults/full-pipe.ts";
import { eventually, openDirectory } from "../attestor-unix/peer-processes.ts";

/** A real pipe that is full, and a descriptor of it on which a write waits, or is told to come again. */
function pipeFor(mode: "waits" | "is refused"): FullPipe & { readonly descriptor: number } {
  const directory = mkdtempSync(join(tmpdir(), "stint-pipe-"));
  const pipe = fullPipe(directory);
  const opened = openSync(join(directory, "pipe"), constants.O_WRONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    for (const descriptor of [pipe.readEnd, pipe.writeEnd, opened]) closeSync(descriptor);
    rmSync(directory, { recursive: true });
  });
  return { ...pipe, descriptor: mode === "waits" ? pipe.writeEnd : opened };
}

test.for(["waits", "is refused"] as const)(
  "where a write of a full pipe %s, lines wait up to a bound, those beyond it are lost, and how many is told once there is room",
  async (mode) => {
    const { descriptor, read } = pipeFor(mode);
    const told: number[] = [];
    const writer = createLineWriter(descriptor, (lines) => void told.push(lines), 30);
    // The first is being written; of the others three have room.
    for (const line of ["being written\n", ...Array.from({ length: 8 }, (_, index) => `line ${index}...\n`)]) {
      writer.write(line);
    }
    expect(told).toEqual([]);
    let text = "";
    await eventually(() => {
      text += read();
      return text;
    }).toBe("being written\nline 0...\nline 1...\nline 2...\n");
    expect(told).toEqual([5]);

    writer.write("after it all\n");
    await writer.flushed(10_000);
    await eventually(() => {
      text += read();
      return text;
    }).toMatch(/line 2\.\.\.\nafter it all\n$/);
    expect(told).toEqual([5]);
  },
);

test("the log of a reader who came late says how many lines are missing: none is missing unsaid", async () => {
  const { descriptor, read } = pipeFor("waits");
  const log = createLog({ level: "info", descriptor });
  const written = 50_000;
  const why = "x".repeat(100);
  for (let line = 0; line < written; line += 1) log.info("a line", { line, why });
  let text = "";
  let lost: number | undefined;
  await eventually(() => {
    text += read();
    const [, lines] = /"lines":(\d+),"msg":"lines of the log were lost"/.exec(text) ?? [];
    lost = lines === undefined ? undefined : Number(lines);
    return lost !== undefined && text.endsWith("\n");
  }).toBe(true);
  const arrived = text.split("\n").filter((line) => line.includes('"msg":"a line"')).length;
  expect(arrived + (lost ?? 0)).toBe(written);
  expect(lost).toBeGreaterThan(0);
});

test("lines for which a disk had no room are counted, and told once there is room again", async () => {
  const directory = openDirectory();
  const file = join(directory, "log");
  const descriptor = openSync("/dev/full", "w");
  onTestFinished(() => {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  });
  const told: number[] = [];
  const writer = createLineWriter(descriptor, (lines) => {
    told.push(lines);
    writer.write("lost some\n");
  });
  writer.write("one\n");
  writer.write("two\n");
  writer.write("three\n");
  await writer.flushed(60_000);
  expect(told).toEqual([]);

  closeSync(descriptor);
  // The least that is free is given out.
  expect(openSync(file, "w")).toBe(descriptor);
  writer.write("four\n");
  await writer.flushed(60_000);
  expect(told).toEqual([3]);
  expect(readFileSync(file, "utf8")).toBe("four\nlost some\n");
});

test("a line of which a disk took the beginning alone does not spoil the next one", () => {
  const directory = openDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "log");
  const child = fileURLToPath(new URL("full-disk-child.ts", import.meta.url));
  // 1,024 bytes; past them the signal would end the process.
  const command = `trap "" XFSZ; exec prlimit --fsize=1024:unlimited "$@"`;
  execFileSync("sh", ["-c", command, "sh", process.execPath, child, file]);
  expect(readFileSync(file, "utf8").split("\n")).toEqual(["1".repeat(799), "2".repeat(224), "3", "lost 1", ""]);
});
