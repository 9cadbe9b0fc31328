import fc from "fast-check";

/*
 * What may happen, drawn by fast-check. Numbers choose among what there is when the event's turn comes, so that a
 * schedule makes sense however it is cut down.
 */

export type Event =
  | {
      readonly kind: "open";
      readonly by: number;
      readonly agent: number;
      readonly run: number;
      readonly step: number;
      readonly attempt: number | undefined;
      readonly grant: readonly number[];
      readonly withAudience: boolean;
      readonly under: number | undefined;
      readonly expiresInSeconds: number | undefined;
      readonly leaseSeconds: number | undefined;
      readonly executor: number | "self" | "any";
      readonly requestId: number | undefined;
      readonly allowPartial: boolean;
    }
  | {
      readonly kind: "issue";
      readonly by: number;
      readonly step: number;
      readonly wanted: readonly (number | "x509")[];
    }
  | { readonly kind: "close"; readonly by: number; readonly step: number; readonly outcome: number }
  | {
      readonly kind: "revoke";
      readonly what: "step" | "run" | "agent" | "process" | "credential";
      readonly which: number;
    }
  | { readonly kind: "renew" | "hold"; readonly by: number; readonly step: number }
  | { readonly kind: "release"; readonly hold: number }
  | { readonly kind: "start"; readonly user: number }
  | { readonly kind: "kill"; readonly process: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "update"; readonly agent: number; readonly ceiling: readonly number[] }
  | { readonly kind: "disable" | "enable"; readonly entry: number }
  | { readonly kind: "wall"; readonly seconds: number }
  | { readonly kind: "ledger" | "signer"; readonly isUnavailable: boolean }
  | { readonly kind: "watch" | "leave"; readonly watcher: number }
  | { readonly kind: "restart" | "accept-restore" };

/** What is asked for at once, in one turn of the event loop; then everything comes to rest. */
export type Round = readonly Event[];

const index = fc.nat({ max: 40 });
const few = fc.nat({ max: 2 });
const sometimes = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 3 });

const open = fc.record({
  kind: fc.constant("open" as const),
  by: index,
  agent: few,
  run: few,
  step: few,
  attempt: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined, freq: 2 }),
  grant: fc.subarray([0, 1, 2, 3]),
  withAudience: fc.boolean(),
  under: fc.option(index, { nil: undefined, freq: 2 }),
  expiresInSeconds: sometimes(fc.integer({ min: 5, max: 130 })),
  leaseSeconds: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined, freq: 1 }),
  executor: fc.oneof(fc.constant("self" as const), fc.constant("any" as const), index),
  requestId: fc.option(few, { nil: undefined, freq: 1 }),
  allowPartial: fc.boolean(),
});
const issue = fc.record({
  kind: fc.constant("issue" as const),
  by: index,
  step: index,
  wanted: fc.array(fc.oneof(fc.nat({ max: 3 }), fc.constant("x509" as const)), { minLength: 1, maxLength: 3 }),
});
const close = fc.record({ kind: fc.constant("close" as const), by: index, step: index, outcome: few });

const event: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: open, weight: 12 },
  { arbitrary: issue, weight: 12 },
  { arbitrary: close, weight: 5 },
  {
    arbitrary: fc.record({
      kind: fc.constant("revoke" as const),
      what: fc.constantFrom("step", "step", "credential", "credential", "run", "agent", "process"),
      which: index,
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom("renew", "hold"), by: index, step: index }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant("release" as const), hold: index }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("start" as const), user: fc.nat({ max: 3 }) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("kill" as const), process: index }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      ms: fc.constantFrom(1, 499, 1_000, 5_000, 17_000, 60_000),
    }),
    weight: 5,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("update" as const), agent: few, ceiling: fc.subarray([0, 1, 2, 3]) }),
    weight: 1,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("disable", "enable", "enable"), entry: fc.nat({ max: 3 }) }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constant("wall" as const), seconds: fc.constantFrom(-6, 6, 3) }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom("ledger", "signer"),
      isUnavailable: fc.constantFrom(true, false, false, false),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("watch", "watch", "leave"), watcher: fc.nat({ max: 1 }) }),
    weight: 3,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom("restart", "restart", "restart", "accept-restore") }), weight: 2 },
);

/** A schedule, and how long the answers of the ledger and the signer take in it. */
export const schedules: fc.Arbitrary<{ readonly rounds: readonly Round[]; readonly delays: readonly number[] }> =
  fc.record({
    rounds: fc.array(fc.array(event, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 30, size: "max" }),
    delays: fc.array(fc.nat({ max: 12 }), { maxLength: 20 }),
  });
