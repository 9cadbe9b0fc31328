import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { newestState } from "../../../src/api/grpc/newest-state.ts";

/** A stream whose peer reads a message when it is told to. */
function slowPeer() {
  const read: number[] = [];
  let taken: (() => void) | undefined;
  const stream = new Writable({
    objectMode: true,
    write(message: number, _encoding, sent) {
      read.push(message);
      taken = sent;
    },
  });
  return {
    stream,
    read,
    async takeOne() {
      taken?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a peer that reads is written each state at once", async () => {
  const { stream, read, takeOne } = slowPeer();
  const put = newestState<number>(stream);
  for (const state of [1, 2, 3]) {
    put(() => state);
    await takeOne();
  }
  expect(read).toEqual([1, 2, 3]);
});

test("a peer that does not read is next written the newest state alone, and the others were never made", async () => {
  const { stream, read, takeOne } = slowPeer();
  const put = newestState<number>(stream);
  const made: number[] = [];
  for (let state = 1; state <= 1_000; state += 1) {
    put(() => {
      made.push(state);
      return state;
    });
  }
  expect(read).toEqual([1]);
  expect(stream.writableLength).toBe(1);
  await takeOne();
  await takeOne();
  expect(read).toEqual([1, 1_000]);
  expect(made).toEqual([1, 1_000]);
});

test("nothing is written to a stream that has ended or broken", async () => {
  for (const end of [(stream: Writable) => stream.end(), (stream: Writable) => stream.destroy()]) {
    const { stream, read } = slowPeer();
    const put = newestState<number>(stream);
    end(stream);
    put(() => 1);
    expect(read).toEqual([]);
  }
});
