import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { createOutbox } from "../../../src/api/grpc/outbox.ts";

/** A stream whose peer reads only when told to. */
class Slow extends EventEmitter {
  readonly written: string[] = [];
  writableEnded = false;
  isReading = true;
  write(message: string): boolean {
    this.written.push(message);
    return this.isReading;
  }
}

test("a peer that does not read costs a bounded backlog, and is then cut off once", () => {
  const stream = new Slow();
  let cut = 0;
  const outbox = createOutbox<string>(stream, 3, () => {
    cut += 1;
  });
  stream.isReading = false;
  for (const message of ["a", "b", "c", "d"]) outbox.send(message, 1);
  expect(stream.written).toEqual(["a"]);
  expect(cut).toBe(0);
  outbox.send("e", 1);
  expect(cut).toBe(1);
});

test("what waited goes out in order once the peer reads again", () => {
  const stream = new Slow();
  const outbox = createOutbox<string>(stream, 10, expect.unreachable);
  stream.isReading = false;
  for (const message of ["a", "b", "c"]) outbox.send(message, 1);
  stream.isReading = true;
  stream.emit("drain");
  outbox.send("d", 1);
  expect(stream.written).toEqual(["a", "b", "c", "d"]);
});
