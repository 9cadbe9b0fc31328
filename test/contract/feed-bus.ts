import { expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import type { FeedBus } from "../../src/ports/feed-bus.ts";

/** A bus, and who listens on it. */
export type BusScene = {
  readonly bus: FeedBus;
  /** What was told since to who listens, in order. */
  readonly heard: readonly string[];
};

/** What the fan-out relies on of each bus. */
export function feedBusContract(open: () => Promise<BusScene>): void {
  test("a stream is made where there is none, and is empty", async () => {
    const { bus } = await open();
    expect(await bus.places()).toEqual({ first: undefined, last: 0 });
    expect(await bus.read(1)).toBeUndefined();
  });

  test("what is appended is kept in order, and who listens is told it", async () => {
    const { bus, heard } = await open();
    const { last } = await bus.places();
    const first = await bus.append("snapshot", "a", last);
    const second = await bus.append("denied", "b", first);
    expect(await bus.places()).toEqual({ first, last: second });
    expect(await bus.read(first)).toEqual({ place: first, text: "a" });
    expect(await bus.read(second)).toEqual({ place: second, text: "b" });
    await expect.poll(() => heard).toEqual(["denied b"]);
  });

  test("behind another message than the newest nothing is kept", async () => {
    const { bus } = await open();
    const { last } = await bus.places();
    const first = await bus.append("denied", "a", last);
    for (const after of [last, first + 1]) {
      await expect(bus.append("denied", "b", after)).rejects.toThrow(BrokerError);
    }
    expect(await bus.places()).toEqual({ first, last: first });
  });

  test("what is before a place goes, and no place is used again", async () => {
    const { bus } = await open();
    let last = (await bus.places()).last;
    for (const text of ["a", "b", "c"]) last = await bus.append("denied", text, last);
    await bus.dropBefore(last);
    expect(await bus.places()).toEqual({ first: last, last });
    expect(await bus.read(last - 1)).toBeUndefined();
    expect(await bus.append("denied", "d", last)).toBeGreaterThan(last);
  });

  test("a heartbeat is heard, and is not kept", async () => {
    const { bus, heard } = await open();
    await bus.places();
    bus.tell("beat");
    await expect.poll(() => heard).toEqual(["heartbeat beat"]);
    expect((await bus.places()).first).toBeUndefined();
  });
}
