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
  const outbox = createOutbox<string>(stream, 10, (why) => expect.unreachable(String(why)));
  stream.isReading = false;
  for (const message of ["a", "b", "c"]) outbox.send(message, 1);
  stream.isReading = true;
  stream.emit("drain");
  outbox.send("d", 1);
  expect(stream.written).toEqual(["a", "b", "c", "d"]);
});

/** A stream that says when a message has gone out. */
class Paced extends Slow {
  readonly going: ((error?: Error | null) => void)[] = [];
  override write(message: string, sent?: (error?: Error | null) => void): boolean {
    if (sent !== undefined) this.going.push(sent);
    return super.write(message);
  }
}

test("of many large messages a peer that does not read holds one: the next is made when the one before has gone out", () => {
  const stream = new Paced();
  const outbox = createOutbox<string>(stream, 3, (why) => expect.unreachable(String(why)));
  const made: string[] = [];
  function* large(): Generator<string> {
    for (const message of ["1", "2", "3"]) {
      made.push(message);
      yield message;
    }
  }
  outbox.send("before", 1);
  outbox.sendEach(large());
  outbox.send("after", 1);
  expect([made, stream.written]).toEqual([["1"], ["before", "1"]]);
  stream.going.shift()?.(null);
  expect(made).toEqual(["1", "2"]);
  for (let left = 2; left > 0; left -= 1) stream.going.shift()?.();
  expect(stream.written).toEqual(["before", "1", "2", "3", "after"]);
  outbox.send("at once", 1);
  expect(stream.written.at(-1)).toBe("at once");
});

test("a stream that broke is sent no more", () => {
  const stream = new Paced();
  const outbox = createOutbox<string>(stream, 2, (why) => expect.unreachable(String(why)));
  outbox.sendEach(["1", "2"]);
  outbox.send("a", 1);
  stream.going.shift()?.(new Error("gone"));
  expect(stream.written).toEqual(["1"]);
});

test("what waits behind large messages is bounded as ever", () => {
  const stream = new Paced();
  const why: unknown[] = [];
  const outbox = createOutbox<string>(stream, 2, (error) => why.push(error));
  outbox.sendEach(["1", "2"]);
  for (const message of ["a", "b"]) outbox.send(message, 1);
  expect(why).toEqual([]);
  outbox.send("c", 1);
  expect(why).toMatchObject([{ code: "LIMIT_EXCEEDED" }]);
  expect(stream.written).toEqual(["1"]);
});

test("large messages that can't be made end the stream: a watcher that lacks something must not seem up to date", () => {
  const stream = new Paced();
  const why: unknown[] = [];
  const outbox = createOutbox<string>(stream, 2, (error) => why.push(error));
  function* broken(): Generator<string> {
    yield "1";
    throw new Error("no message");
  }
  outbox.sendEach(broken());
  stream.going.shift()?.();
  expect(why).toMatchObject([{ message: "no message" }]);
});
