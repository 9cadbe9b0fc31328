import fc from "fast-check";
import { RISK_LEVELS } from "../../src/domain/risk.ts";
import { WITH_CALL_APPROVAL, WITH_MORE_APPROVALS } from "./cast.ts";
import type { Event, EventOf, Round } from "./events.ts";
import { ANSWERS } from "./receivers.ts";

/* What may happen, drawn by fast-check. */

const index = fc.nat({ max: 40 });
const few = fc.nat({ max: 2 });
const nothing = fc.constant(undefined);
const oneIn = <Value>(times: number, value: fc.Arbitrary<Value>) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: times - 1 }, { arbitrary: value, weight: 1 });

const open = fc.record({
  kind: fc.constant("open" as const),
  by: index,
  agent: few,
  run: few,
  step: fc.nat({ max: 1 }),
  attempt: oneIn(2, fc.integer({ min: 1, max: 9 })),
  grant: fc.oneof(fc.subarray([0, 1, 2, 3, 4]), fc.constantFrom([0], [4], [0, 4])),
  audiences: fc.subarray([0, 1]),
  under: oneIn(3, index),
  token: oneIn(3, index),
  expiresInSeconds: oneIn(4, fc.integer({ min: 5, max: 125 })),
  leaseSeconds: oneIn(4, fc.integer({ min: 1, max: 30 })),
  executor: fc.oneof(
    { arbitrary: fc.constant("fit" as const), weight: 6 },
    { arbitrary: fc.constantFrom("self" as const, "any" as const), weight: 1 },
    { arbitrary: index, weight: 1 },
  ),
  requestId: oneIn(4, few),
  allowPartial: fc.boolean(),
  principal: oneIn(2, fc.nat({ max: 1 })),
  calls: oneIn(2, fc.integer({ min: 1, max: 3 })),
  acceptPending: fc.boolean(),
  approvals: fc.constant(0),
});
const issue = fc.record({
  kind: fc.constant("issue" as const),
  by: index,
  step: index,
  wanted: fc.array(fc.oneof(fc.nat({ max: 3 }), fc.constant("x509" as const)), { minLength: 1, maxLength: 3 }),
  calls: oneIn(3, fc.integer({ min: 1, max: 3 })),
  uses: few,
  apart: fc.boolean(),
});
const call = fc.record({
  kind: fc.constant("call" as const),
  by: index,
  credential: index,
  element: index,
  // So many that denials are only counted.
  times: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 3 }), weight: 9 }, { arbitrary: fc.constant(14), weight: 1 }),
  meanwhile: oneIn(2, fc.constantFrom("close", "revoke", "risk")),
  digest: fc.constantFrom(0, 0, 0, 1, undefined),
  acceptPending: fc.constantFrom(true, true, true, false),
  answer: fc.constantFrom("approve", "approve", "refuse", undefined),
  again: few,
});
const report = fc.record({
  kind: fc.constant("report" as const),
  by: index,
  usages: fc.array(
    fc.record({ credential: index, tool: index, outcome: fc.nat({ max: 3 }), calls: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 1, maxLength: 3 },
  ),
  gap: fc.constantFrom(0, 0, 0, 2),
  times: fc.integer({ min: 1, max: 2 }),
  again: oneIn(3, index),
});
const attendance = {
  acknowledges: fc.constantFrom(
    "at once" as const,
    "at once" as const,
    "at once" as const,
    "late" as const,
    "never" as const,
  ),
  pings: fc.constantFrom(true, true, true, false),
};
const askedClosure = { stream: fc.boolean(), receipt: fc.boolean() };
const endWatched = fc.record({
  kind: fc.constant("end-watched" as const),
  ...{ by: index, agent: few, run: few, place: fc.nat({ max: 1 }), ...askedClosure },
  attendances: fc.array(fc.option(fc.record(attendance), { nil: undefined }), { minLength: 3, maxLength: 3 }),
});
const delegate = fc.record({
  kind: fc.constant("delegate" as const),
  by: index,
  step: index,
  to: fc.nat({ max: 4 }),
  uses: fc.integer({ min: 1, max: 2 }),
  tries: fc.nat({ max: 3 }),
  grant: oneIn(2, fc.subarray([0, 1, 2, 3, 4])),
});
const close = fc.record({ kind: fc.constant("close" as const), by: index, step: index, outcome: few });

/** One that is mostly granted. */
const plainOpen = fc.record({
  ...{ kind: fc.constant("open" as const), by: index, agent: few, run: few, step: fc.nat({ max: 3 }) },
  grant: fc.constantFrom([0], [1], [4], [0, 1], [0, 4], [0, 1, 2, 4]),
  audiences: fc.constant([]),
  attempt: oneIn(2, fc.integer({ min: 1, max: 9 })),
  under: oneIn(3, index),
  ...{ token: nothing, expiresInSeconds: nothing, leaseSeconds: nothing },
  ...{ requestId: nothing, executor: fc.constant("fit" as const), principal: oneIn(2, fc.nat({ max: 1 })) },
  ...{ allowPartial: fc.constant(false), acceptPending: fc.constant(true) },
  calls: oneIn(2, fc.integer({ min: 1, max: 3 })),
  approvals: few,
});
const policies = fc.record({
  kind: fc.constant("policies" as const),
  set: fc.constantFrom(0, 0, 0, undefined, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 9),
});

/** What a receiver asks of its stream, the first two beginning one. */
const streamOrder = (asks: fc.Arbitrary<EventOf<"event-stream">["asks"]>) =>
  fc.record({ kind: fc.constant("event-stream" as const), receiver: fc.nat({ max: 1 }), asks });
const beginStream = streamOrder(fc.constantFrom("push", "push", "poll"));
const changeStream = streamOrder(
  fc.constantFrom("push", "push", "poll", "enabled", "enabled", "paused", "disabled", "remove", "remove"),
);

const event: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: open, weight: 9 },
  { arbitrary: plainOpen, weight: 11 },
  { arbitrary: issue, weight: 12 },
  { arbitrary: delegate, weight: 8 },
  {
    arbitrary: fc.record({
      kind: fc.constant("taint" as const),
      by: index,
      agent: few,
      runs: fc.constantFrom("one", "two", "connected"),
      principal: fc.constantFrom(0, 0, 0, undefined),
    }),
    weight: 3,
  },
  { arbitrary: call, weight: 10 },
  { arbitrary: report, weight: 4 },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom("approve", "approve", "approve", "refuse"),
      by: index,
      step: index,
      times: fc.integer({ min: 1, max: 2 }),
      isOther: oneIn(6, fc.constant(true as const)),
    }),
    weight: 10,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("held-call" as const),
      ...{ by: index, agent: few, run: few },
      policies: fc.constantFrom(undefined, WITH_CALL_APPROVAL, WITH_CALL_APPROVAL, WITH_MORE_APPROVALS),
      ...{ times: fc.integer({ min: 1, max: 2 }), again: fc.integer({ min: 1, max: 3 }) },
      answer: fc.constantFrom("approve", "approve", "approve", "refuse", undefined),
      answers: fc.constantFrom(1, 1, 2),
      between: fc.constantFrom(undefined, undefined, undefined, "close", "lapse", "policies", "other"),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom("approve-call", "approve-call", "refuse-call"),
      by: index,
      call: index,
      times: fc.integer({ min: 1, max: 2 }),
      isOther: oneIn(6, fc.constant(true as const)),
    }),
    weight: 2,
  },
  { arbitrary: close, weight: 5 },
  {
    arbitrary: fc.record({
      kind: fc.constant("revoke" as const),
      what: fc.constantFrom("step", "step", "credential", "credential", "run", "agent", "process"),
      which: index,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("offboard" as const),
      principal: fc.nat({ max: 1 }),
      barAhead: fc.boolean(),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("readmit", "readmit", "erase"), principal: fc.nat({ max: 1 }) }),
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
    arbitrary: fc.record({ kind: fc.constant("update" as const), agent: few, ceiling: fc.subarray([0, 1, 2, 3, 4]) }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("risk" as const),
      scope: index,
      level: fc.constantFrom(...RISK_LEVELS),
      seconds: fc.constantFrom(1, 10, 60, 600),
    }),
    weight: 4,
  },
  { arbitrary: policies, weight: 3 },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("disable", "enable", "enable", "enable"), entry: fc.nat({ max: 5 }) }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("wall" as const), seconds: fc.constantFrom(-6, 6, 3, -3, 5, 1) }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom("ledger", "signer"),
      isUnavailable: fc.constantFrom(true, false, false, false, false),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("watch" as const),
      watcher: few,
      ...attendance,
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom("leave", "acknowledge", "acknowledge"), watcher: few }), weight: 2 },
  { arbitrary: endWatched, weight: 4 },
  { arbitrary: fc.record({ kind: fc.constant("closure" as const), close: index, ...askedClosure }), weight: 3 },
  {
    arbitrary: fc.record({
      kind: fc.constant("engine" as const),
      state: fc.constantFrom("well" as const, "well" as const, "late" as const, "failing" as const),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("follower" as const), failing: oneIn(2, fc.nat({ max: 5 })) }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("checkpoints" as const),
      failing: oneIn(2, fc.constantFrom("own" as const, "copy" as const, "signer" as const)),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("prune" as const),
      seconds: fc.constantFrom(0, 1, 1, 10, 60),
      snapshot: fc.constantFrom(true, true, false),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("place-hold" as const),
      scope: fc.constantFrom("run", "agent", "principal"),
      which: index,
    }),
    weight: 1,
  },
  { arbitrary: fc.record({ kind: fc.constant("lift-hold" as const), hold: index }), weight: 1 },
  { arbitrary: changeStream, weight: 3 },
  {
    arbitrary: fc.record({
      kind: fc.constant("receiver" as const),
      receiver: fc.nat({ max: 1 }),
      answers: fc.array(fc.constantFrom("takes" as const, "takes" as const, ...ANSWERS), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("poll" as const),
      receiver: fc.nat({ max: 1 }),
      eventsMax: fc.constantFrom(0, 1, 2, 100),
      acknowledges: fc.constantFrom("all", "all", "all", "errors", "none"),
      isLost: fc.constantFrom(false, false, false, true),
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant("replicate" as const) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constantFrom("restart", "restart", "restart", "accept-restore") }), weight: 1 },
);

/** What happens where several brokers share a log, and more of what has to do with which of them it happens at. */
const shared: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: plainOpen, weight: 4 },
  {
    arbitrary: fc.record({ kind: fc.constant("hold" as const), by: fc.constantFrom(1, 2, 3), step: index }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant("watch" as const), watcher: few, ...attendance }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("leave" as const), watcher: few }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("wall" as const), seconds: fc.constantFrom(-300, 6, 300) }), weight: 1 },
  {
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(500, 3_000, 12_000) }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("way" as const),
      change: fc.constantFrom("cut", "mended", "mended", "deaf", "hearing", "hearing", "kept", "lost"),
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant("die" as const) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("begin" as const), anew: fc.boolean() }), weight: 2 },
);

/** How the brokers' answers come about in a schedule. */
export type Manner = {
  /** How many turns each answer of the ledger and the signer takes, again and again in this order. */
  readonly delays: readonly number[];
  /** Whether the ledger signs what it recorded, or the signer is asked once it is recorded. */
  readonly ledgerSigns: boolean;
  /** The brokers that share a log: the machine of each, and how far its clock is off. Absent: there is one, with a ledger of its own. */
  readonly replicas?: readonly { readonly machine: number; readonly offsetSeconds: number }[];
  /** At which of those brokers that are up each event happens, again and again in this order. */
  readonly routes?: readonly number[];
};

type Schedule = Manner & { readonly rounds: readonly Round[] };

/** A schedule, and how the answers come about in it. */
const drawn = (events: fc.Arbitrary<Event>, roundsMax: number) => ({
  rounds: fc
    .tuple(
      fc.tuple(fc.array(policies, { maxLength: 1 }), fc.array(beginStream, { maxLength: 3 })),
      fc.array(fc.array(events, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: roundsMax, size: "max" }),
    )
    .map(([first, rounds]) => [first.flat(), ...rounds]),
  delays: fc.array(fc.nat({ max: 12 }), { maxLength: 20 }),
  ledgerSigns: fc.boolean(),
});

export const schedules: fc.Arbitrary<Schedule> = fc.record(drawn(event, 50));

/** The same among brokers that share a log. */
export const sharedSchedules: fc.Arbitrary<Schedule> = fc.record({
  ...drawn(fc.oneof({ arbitrary: event, weight: 3 }, { arbitrary: shared, weight: 1 }), 40),
  replicas: fc.array(fc.record({ machine: fc.nat({ max: 1 }), offsetSeconds: fc.constant(0) }), {
    minLength: 2,
    maxLength: 3,
  }),
  routes: fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 30, size: "max" }),
});
