import { expect, onTestFinished, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { keepStandby, type StandbyStatus } from "../../src/follow/standby.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { FollowedPage, FollowedPart, PrimaryLedger, StandbyLedger } from "../../src/ports/standby.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

const headAt = (sequence: number): Head => ({ epoch: "epoch_1", sequence, rootHash: new Uint8Array(32) });
const pageOf = (sequence: number, newest = sequence): FollowedPage => ({
  ...{ events: [], newest, schema: 1 },
  head: headAt(sequence),
});

/** Lets everything happen that waits for nobody. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** One stream of the primary, at the test's command. */
class Stream {
  #parts: FollowedPart[] = [];
  #ended: unknown;
  #wake: () => void = () => undefined;

  send(page: FollowedPage): void {
    this.#parts.push({ kind: "page", page });
    this.#wake();
  }

  fail(thrown: unknown): void {
    this.#ended = thrown;
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<FollowedPart, void, void> {
    signal.addEventListener("abort", () => this.fail(signal.reason));
    for (;;) {
      yield* this.#parts.splice(0);
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A standby of a primary that does as the test says; `begun` are the sequences after which it was followed. */
function scene({ copied = true } = {}) {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const told: (string | undefined)[] = [];
  const streams: Stream[] = [];
  const begun: number[] = [];
  const shown: string[] = [];
  let copies = 0;
  let head: Head | undefined = copied ? headAt(5) : undefined;
  const ledger: StandbyLedger = {
    head: () => head,
    async replace(copy) {
      for await (const _ of copy.chunks);
      copies += 1;
      head = copy.facts().head;
    },
    keepChunk: () => undefined,
    take(page) {
      head = page.head;
    },
    close: () => undefined,
  };
  const primary: PrimaryLedger = {
    copy: () => ({
      chunks: (async function* () {
        yield new Uint8Array();
      })(),
      facts: () => ({ head: headAt(9), sha256: "" }),
    }),
    follow(after, checkpoint, signal) {
      begun.push(after);
      shown.push(checkpoint);
      const stream = new Stream();
      streams.push(stream);
      return stream.read(signal);
    },
  };
  const changed = ({ why }: StandbyStatus) => void told.push(why);
  const standby = keepStandby({ ledger, primary, clock, changed });
  onTestFinished(() => standby.close());
  const stream = async (count: number): Promise<Stream> => {
    await settled();
    expect(streams).toHaveLength(count);
    return streams[count - 1] as Stream;
  };
  return { clock, told, begun, shown, standby, stream, ledger, copies: () => copies };
}

test("it begins after what it has, and says how far it is and when it heard", async () => {
  const { standby, stream, begun, told, clock } = scene();
  (await stream(1)).send(pageOf(5, 8));
  await settled();
  expect(told).toEqual([undefined]);
  expect(begun).toEqual([5]);
  expect(standby.status()).toEqual({ head: headAt(5), heard: { newest: 8, at: clock.now() } });
});

test("without a copy it takes one first, and follows from its end", async () => {
  const { stream, begun, told, copies } = scene({ copied: false });
  (await stream(1)).send(pageOf(9));
  await settled();
  expect(told).toEqual(["a whole copy is being taken", undefined]);
  expect([begun, copies()]).toEqual([[9], 1]);
});

test("a connection that is made again at once is not told of; one that can't be made is, and tried with growing pauses", async () => {
  const { stream, told, begun, clock } = scene();
  (await stream(1)).send(pageOf(6));
  await settled();
  expect(told).toEqual([undefined]);
  const gone = new BrokerError("NOT_SERVING", "gone");
  (await stream(1)).fail(gone);
  for (const [attempt, pauseMs] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) {
    await settled();
    expect(told).toEqual(attempt === 0 ? [undefined] : [undefined, "gone"]);
    clock.advance(pauseMs - 1);
    await settled();
    expect(begun).toHaveLength(attempt + 1);
    clock.advance(1);
    (await stream(attempt + 2)).fail(gone);
  }
  await settled();
  clock.advance(5_000);
  (await stream(10)).send(pageOf(7));
  await settled();
  expect(told).toEqual([undefined, "gone", undefined]);
  expect(new Set(begun)).toEqual(new Set([5, 6]));
});

test("a primary that says nothing for ten seconds is given up, and asked again", async () => {
  const { stream, told, clock } = scene();
  (await stream(1)).send(pageOf(6));
  await settled();
  expect(told).toEqual([undefined]);
  clock.advance(9_999);
  (await stream(1)).send(pageOf(6));
  await settled();
  clock.advance(10_000);
  await settled();
  clock.advance(100);
  (await stream(2)).send(pageOf(7));
  expect(told).toEqual([undefined]);
});

test("it shows the primary the newest checkpoint that it was shown, also after a copy", async () => {
  const { stream, shown, clock } = scene();
  (await stream(1)).send({ ...pageOf(6), checkpoint: "note 6" });
  (await stream(1)).send({ ...pageOf(7), checkpoint: "note 7" });
  (await stream(1)).send(pageOf(8));
  await settled();
  (await stream(1)).fail(new BrokerError("PRUNED", "gone"));
  await settled();
  clock.advance(100);
  await stream(2);
  expect(shown).toEqual(["", "note 7"]);
});

test("a copy that lacks what was pruned is replaced by a new one", async () => {
  const { stream, told, begun, copies, clock } = scene();
  (await stream(1)).fail(new BrokerError("PRUNED", "what event 6 said was deleted"));
  await settled();
  expect(told).toEqual(["what event 6 said was deleted"]);
  clock.advance(100);
  (await stream(2)).send(pageOf(9));
  await settled();
  expect(told).toEqual([
    "what event 6 said was deleted",
    "what event 6 said was deleted: a whole copy is being taken",
    undefined,
  ]);
  expect([begun, copies()]).toEqual([[5, 9], 1]);
});

test("what the copy refuses is told at once, and what the disk does ends it", async () => {
  const { stream, told, ledger, standby, clock } = scene();
  const take = ledger.take;
  Object.assign(ledger, {
    take() {
      throw new BrokerError("LEDGER_UNAVAILABLE", "another ledger");
    },
  });
  (await stream(1)).send(pageOf(6));
  await settled();
  expect(told).toEqual(["another ledger"]);
  clock.advance(100);
  Object.assign(ledger, { take });
  (await stream(2)).send(pageOf(6));
  await settled();
  expect(told).toEqual(["another ledger", undefined]);
  Object.assign(ledger, {
    take() {
      throw new Error("SQLITE_IOERR_FSYNC");
    },
  });
  (await stream(2)).send(pageOf(7));
  await expect(standby.ended).rejects.toThrow("SQLITE_IOERR_FSYNC");
});
