import { expect, test } from "vitest";
import type { EventStream } from "../../src/domain/event-stream.ts";
import { CONFIG, done, type World } from "./ledger-world.ts";

/** What the ledger promises of streams of security events. */
export function eventStreamsContract(worldOf: () => World): void {
  async function scene() {
    const world = worldOf();
    const { entryId } = await world.verifier();
    const by = { kind: "entry", entryId, process: "p" } as const;
    const stream: EventStream = {
      ...{ streamId: world.name(), entryId, status: "enabled", delivery: "poll", events: ["e"] },
    };
    const put = (own: Partial<EventStream> = {}) =>
      world.ledger.perform({ act: "put-event-stream", stream: { ...stream, ...own }, by, now: world.clock.now() });
    const deliver = (sequence: number, streamId = stream.streamId) =>
      world.ledger.perform({ act: "record-delivered", streams: [{ streamId, sequence }], now: world.clock.now() });
    const end = () =>
      world.ledger.perform({ act: "end-event-stream", streamId: stream.streamId, by, now: world.clock.now() });
    const found = async () =>
      (await world.store.projections.eventStreams()).value.filter((one) => one.entryId === entryId);
    return { world, entryId, stream, put, deliver, end, found };
  }

  test("a stream begins where it is put, and a change leaves where its receiver is", async () => {
    const { stream, put, deliver, found } = await scene();
    const { sequence } = done(await put());
    expect(await found()).toEqual([{ ...stream, delivered: sequence }]);
    await deliver(sequence + 5);
    const changed = { status: "paused", reason: "r", description: "d" } as const;
    done(await put(changed));
    expect(await found()).toEqual([{ ...stream, ...changed, delivered: sequence + 5 }]);
  });

  test("what came while a stream was disabled is passed over when it is enabled again", async () => {
    const { put, found } = await scene();
    done(await put());
    done(await put({ status: "disabled" }));
    const { sequence } = done(await put());
    expect(await found()).toMatchObject([{ status: "enabled", delivered: sequence }]);
  });

  test("where a receiver is never goes back, and is not recorded of a stream that there is not", async () => {
    const { world, put, deliver, found } = await scene();
    const { sequence } = done(await put());
    expect((await deliver(sequence + 3)).sequence).toBeGreaterThan(0);
    expect((await deliver(sequence + 2)).sequence).toBe(0);
    expect((await deliver(sequence + 3, world.name())).sequence).toBe(0);
    expect(await found()).toMatchObject([{ delivered: sequence + 3 }]);
  });

  test("a receiver has one stream, and a stream ends once", async () => {
    const { put, end, found } = await scene();
    done(await put());
    const refused = { kind: "denial", code: "INVALID_FIELD", metadata: { field: "stream_id" } };
    expect(await put({ streamId: "another" })).toMatchObject(refused);
    done(await end());
    expect(await end()).toMatchObject(refused);
    expect(await found()).toEqual([]);
    done(await put({ streamId: "yet another" }));
  });

  test("a change of a stream that has ended meanwhile is refused, and begins no other", async () => {
    const { world, stream, put, end, found } = await scene();
    const change = () =>
      world.ledger.perform({ act: "put-event-stream", stream, changes: true, by: CONFIG, now: world.clock.now() });
    done(await put());
    done(await change());
    done(await end());
    expect(await change()).toMatchObject({ code: "INVALID_FIELD", metadata: { field: "stream_id" } });
    expect(await found()).toEqual([]);
  });

  test("a stream ends with its receiver's entry, and nobody has one whose entry is out of force", async () => {
    const { world, entryId, put, found } = await scene();
    done(await put());
    done(await world.ledger.perform({ act: "retire-entry", entryId, by: CONFIG, now: world.clock.now() }));
    expect(await found()).toEqual([]);
    expect(await put()).toMatchObject({ kind: "denial", code: "NOT_ENTITLED" });
  });
}
