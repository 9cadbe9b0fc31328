import { once } from "node:events";
import { existsSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import type { Writable } from "node:stream";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import type { ExportSink, Written } from "./export-sink.ts";
import { partialPath } from "./export-state.ts";
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
  resumed: Written | undefined,
): Promise<ExportSink<Row>> {
  checkFree(path);
  const partial = partialPath(path);
  if (resumed === undefined && existsSync(partial)) {
    throw usageFailure(`an export of ${path} broke off: --resume goes on with it, or remove ${partial}`);
  }
  const file = await open(partial, resumed === undefined ? "wx" : "r+", 0o600);
  let bytes = resumed?.bytes ?? 0;
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
    write: (rows) => append(rows.map(line).join("")),
    async settle() {
      await file.datasync();
      return { bytes, parts: 0 };
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

/** @throws Failure */
function checkFree(path: string): void {
  if (existsSync(path)) throw usageFailure(`${path} is there already, and is not written over`);
}
