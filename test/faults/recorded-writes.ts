import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A disk writes a sector whole or not at all, and the sectors of a page in any order. */
const SECTOR_BYTES = 512;

/** What a process did, with the places of its beginning and its end in the order of everything that was done. */
type Call = { readonly begun: number; readonly ended: number; readonly file: string };

/** What a process wrote, in which order, what of it was through to the disk when, and what it said meanwhile. */
export type Recording = {
  readonly writes: readonly (Call & { readonly offset: number; readonly bytes: Buffer })[];
  readonly cuts: readonly (Call & { readonly size: number })[];
  readonly creations: readonly Call[];
  readonly syncs: readonly Call[];
  /** Lines on its standard output, each with the place at which it was out. */
  readonly said: readonly { readonly line: string; readonly at: number }[];
  /** Places there are. */
  readonly length: number;
};

/**
 * Runs a command under strace until it has said so many lines, and kills it.
 *
 * @param directory - whose files count; by its real path.
 */
export async function recordWrites(
  command: readonly string[],
  { directory, lines, output }: { readonly directory: string; readonly lines: number; readonly output: string },
): Promise<Recording> {
  const traced = "trace=openat,write,pwrite64,fsync,fdatasync,ftruncate";
  const args = ["-f", "-q", "-y", "-xx", "-s", "1000000", "-e", "signal=none", "-e", traced, "-o", output];
  const tracer = spawn("strace", [...args, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(tracer, "exit");
  let left = lines;
  for await (const _ of createInterface({ input: tracer.stdout })) {
    left -= 1;
    if (left === 0) process.kill(childOf(tracer.pid ?? 0), "SIGKILL");
  }
  await exited;
  return readRecording(output, directory);
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
}

const LINE = /^(\d+) +(.*)$/;
const RESUMED = /^<\.\.\. \w+ resumed>(.*)$/;
const UNFINISHED = / <unfinished \.\.\.>$/;
const CALL = /^(\w+)\((.*)\) += (\d+)/;
/** A descriptor with its path, or a path; then a text; all of them in hexadecimal. */
const PATH = /^\d+<([^>]*)>/;
const TEXT = /"([^"]*)"/;

async function readRecording(path: string, directory: string): Promise<Recording> {
  const writes: Recording["writes"][number][] = [];
  const cuts: Recording["cuts"][number][] = [];
  const creations: Call[] = [];
  const syncs: Call[] = [];
  const said: Recording["said"][number][] = [];
  const unfinished = new Map<string, { readonly begun: number; readonly text: string }>();
  let at = 0;

  function take(text: string, begun: number): void {
    const [, name = "", args = "", result = ""] = CALL.exec(text) ?? [];
    const file = textOf(PATH.exec(args)?.[1] ?? "");
    const call = { begun, ended: at, file };
    if (name === "write" && args.startsWith("1<")) {
      for (const line of textOf(TEXT.exec(args)?.[1] ?? "").split("\n")) if (line !== "") said.push({ line, at });
    } else if (name === "openat") {
      const created = textOf(TEXT.exec(args)?.[1] ?? "");
      if (args.includes("O_CREAT") && created.startsWith(directory)) creations.push({ ...call, file: created });
    } else if (!file.startsWith(directory)) return;
    else if (name === "pwrite64") {
      const bytes = bytesOf(TEXT.exec(args)?.[1] ?? "").subarray(0, Number(result));
      writes.push({ ...call, bytes, offset: Number(args.slice(args.lastIndexOf(" "))) });
    } else if (name === "ftruncate") cuts.push({ ...call, size: Number(args.slice(args.lastIndexOf(" "))) });
    else if (name === "fsync" || name === "fdatasync") syncs.push(call);
  }

  for await (const line of createInterface({ input: createReadStream(path) })) {
    at += 1;
    const [, thread = "", text = ""] = LINE.exec(line) ?? [];
    if (UNFINISHED.test(text)) unfinished.set(thread, { begun: at, text: text.replace(UNFINISHED, "") });
    else {
      const rest = RESUMED.exec(text)?.[1];
      const before = rest === undefined ? undefined : unfinished.get(thread);
      take(before === undefined ? text : before.text + rest, before?.begun ?? at);
    }
  }
  return { writes, cuts, creations, syncs, said, length: at };
}

function bytesOf(hexadecimal: string): Buffer {
  return Buffer.from(hexadecimal.replaceAll("\\x", ""), "hex");
}

function textOf(hexadecimal: string): string {
  return bytesOf(hexadecimal).toString();
}

/** Whether the power was cut after what has this number, as far as the disk is concerned. */
export type Luck = (number: number) => boolean;

/**
 * A file as a power cut leaves it: all that was through to the disk, and of the rest each sector or not.
 *
 * @param before - what the file held when the recording began; `undefined`: there was none.
 * @param at - the place of the cut.
 * @param isKept - of each sector and each other change that the disk had not promised to keep.
 * @returns `undefined` for no file.
 */
export function afterPowerCut(
  recording: Recording,
  { file, before, at, isKept }: { file: string; before: Buffer | undefined; at: number; isKept: Luck },
): Buffer | undefined {
  const ofFile = <Kind extends Call>(calls: readonly Kind[]) =>
    calls.filter((one) => one.file === file && one.begun < at);
  const isThrough = (call: Call, synced: string) =>
    recording.syncs.some((sync) => sync.file === synced && sync.begun >= call.ended && sync.ended < at);
  let number = 0;
  const survives = (isSafe: boolean) => {
    number += 1;
    return isSafe || isKept(number);
  };

  const [created] = ofFile(recording.creations);
  const parent = file.slice(0, file.lastIndexOf("/"));
  if (before === undefined && (created === undefined || !survives(isThrough(created, parent)))) return undefined;

  const changes = [...ofFile(recording.writes), ...ofFile(recording.cuts)].sort((a, b) => a.begun - b.begun);
  const ends = changes.map((one) => ("bytes" in one ? one.offset + one.bytes.length : one.size));
  const content = Buffer.alloc(Math.max(before?.length ?? 0, ...ends, 0));
  before?.copy(content);
  let size = before?.length ?? 0;
  for (const change of changes) {
    const isSafe = isThrough(change, file);
    if (!("bytes" in change)) {
      if (!survives(isSafe)) continue;
      content.fill(0, change.size);
      size = change.size;
      continue;
    }
    for (let from = 0; from < change.bytes.length; ) {
      const start = change.offset + from;
      const to = Math.min(change.bytes.length, from + SECTOR_BYTES - (start % SECTOR_BYTES));
      if (survives(isSafe)) {
        change.bytes.copy(content, start, from, to);
        size = Math.max(size, change.offset + to);
      }
      from = to;
    }
  }
  return content.subarray(0, size);
}
