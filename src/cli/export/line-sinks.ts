import { once } from "node:events";
import { open, rename } from "node:fs/promises";
import type { Writable } from "node:stream";
import { EXIT, Failure } from "../failure.ts";
import { type ExportSink, NOTHING_SETTLED, type Settled } from "./export-sink.ts";
import { checkFree, checkNotBegun, partialPath } from "./export-state.ts";
import type { LineFormat } from "./line-format.ts";

/** Lines to a stream, no faster than it takes them. */
export function streamSink<Row>(out: Writable, { head, line }: LineFormat<Row>): ExportSink<Row> {
  let unsaid = head;

  async function say(text: string): Promise<void> {
    if (text !== "" && !out.write(text)) await once(out, "drain");
  }

  return {
    async write(rows) {
      const text = unsaid + rows.map(line).join("");
      unsaid = "";
      await say(text);
    },
    settle: async () => undefined,
    finish: () => say(unsaid),
    close: async () => undefined,
  };
}

/**
 * Lines to a file of this user's, which has another name until it is whole.
 *
 * @param resumed - how much of it is to be kept; absent: the file is new.
 * @throws Failure when the file is there, or lacks what is to be kept
 */
export async function fileSink<Row>(
  path: string,
  { head, line }: LineFormat<Row>,
  resumed: Settled | undefined,
): Promise<ExportSink<Row>> {
  checkFree(path);
  if (resumed === undefined) checkNotBegun(path);
  const partial = partialPath(path);
  const file = await open(partial, resumed === undefined ? "wx" : "r+", 0o600);
  let { sequence, count, bytes } = resumed ?? NOTHING_SETTLED;
  try {
    if ((await file.stat()).size < bytes) {
      throw new Failure(`${partial} is shorter than what was written to it: export anew`, EXIT.refused);
    }
    await file.truncate(bytes);
    if (resumed === undefined) await append(head);
  } catch (thrown) {
    await file.close();
    throw thrown;
  }

  async function append(text: string): Promise<void> {
    const buffer = Buffer.from(text);
    for (let done = 0; done < buffer.length; ) {
      const { bytesWritten } = await file.write(buffer, done, buffer.length - done, bytes + done);
      done += bytesWritten;
    }
    bytes += buffer.length;
  }

  return {
    async write(rows, through) {
      await append(rows.map(line).join(""));
      sequence = through;
      count += rows.length;
    },
    async settle() {
      await file.datasync();
      return { sequence, count, bytes, parts: 0 };
    },
    async finish() {
      await file.sync();
      await file.close();
      checkFree(path);
      await rename(partial, path);
    },
    close: () => file.close(),
  };
}
