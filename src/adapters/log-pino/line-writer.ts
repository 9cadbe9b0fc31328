import { write } from "node:fs";

/** Lines of text on a descriptor, of which nobody has to be reading. */
export type LineWriter = {
  /** Never waits and never throws. A line for which there is no room, here or where it goes to, is lost, and counted. */
  write(line: string): void;
  /** Resolves when all lines are written, or after this many milliseconds. */
  flushed(withinMs: number): Promise<void>;
};

/** A minute of a busy broker's lines. More would be kept in memory for a reader who does not come. */
const CHARACTERS_MAX = 4 * 1024 * 1024;
const LINE_FEED = 0x0a;
/** How long a pipe that is full is left alone. */
const FULL_MS = 50;

/**
 * Writes lines beside the event loop: whatever becomes of the reader, nobody waits for the reader.
 *
 * @param lost - is given the number of lines that were lost, as soon as one could be written again.
 */
export function createLineWriter(
  descriptor: number,
  lost: (lines: number) => void,
  charactersMax = CHARACTERS_MAX,
): LineWriter {
  let waiting: string[] = [];
  let characters = 0;
  let linesLost = 0;
  let isWriting = false;
  let isReaderGone = false;
  let isFailing = false;
  /** What was written last breaks off in the middle of a line. */
  let isTorn = false;
  const idle: (() => void)[] = [];

  function writeNext(): void {
    if (isWriting) return;
    if (waiting.length === 0) {
      tellLost();
      if (!isWriting) tellIdle();
      return;
    }
    const bytes = Buffer.from(`${isTorn ? "\n" : ""}${waiting.join("")}`);
    waiting = [];
    characters = 0;
    isWriting = true;
    writeAll(bytes);
    tellLost();
  }

  function writeAll(bytes: Buffer): void {
    write(descriptor, bytes, (failure, count) => {
      if (failure === null) {
        isTorn = bytes[count - 1] !== LINE_FEED;
        if (count < bytes.length) writeAll(bytes.subarray(count));
        else written(true);
      } else if (failure.code === "EAGAIN") {
        // The timer keeps no process alive that is about to end.
        setTimeout(() => writeAll(bytes), FULL_MS).unref();
      } else {
        isReaderGone ||= failure.code === "EPIPE";
        // Such as a disk that is full.
        linesLost += linesIn(bytes);
        written(false);
      }
    });
  }

  function written(isWell: boolean): void {
    isWriting = false;
    isFailing = !isWell;
    writeNext();
  }

  /**
   * Called when nothing waits that is not being written: before, a line that tells of lost lines would be lost too, as it would be while
   * writing fails.
   */
  function tellLost(): void {
    if (linesLost === 0 || isFailing) return;
    const lines = linesLost;
    linesLost = 0;
    lost(lines);
  }

  function tellIdle(): void {
    for (const tell of idle.splice(0)) tell();
  }

  return {
    write(line) {
      if (isReaderGone) return;
      if (characters + line.length > charactersMax) {
        linesLost += 1;
        return;
      }
      waiting.push(line);
      characters += line.length;
      writeNext();
    },
    flushed(withinMs) {
      if (!isWriting) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}

/** Of each line its end is counted, also where its beginning was written. */
function linesIn(bytes: Uint8Array): number {
  return bytes.reduce((lines, byte) => lines + (byte === LINE_FEED ? 1 : 0), 0);
}
