import { expect, test } from "vitest";
import type { EventOf } from "./events.ts";
import { lived, livesOf } from "./lives-of.ts";
import { sharedSchedules } from "./schedule.ts";

// Goal: what holds of one broker (life-of-steps.test.ts) holds of two or three that share a log, whichever of them is asked: what left a
// broker has its row, nothing closed is revived, what is closed at one is refused by all, a verifier that changes over with its cursor
// never believes for longer than its bound, a hold is not lost because another broker starts, no process is gone to who can't see it, what
// a dead broker kept is ended once, after its lease, by another, and all have the same rows once they know the same.
// Method: the same parties and the same model, each event at some broker, over the store of replicas and a log in memory. Brokers die and
// come back, with their tables or without; they are cut off from the log, are told nothing, have clocks that are off, and append what
// nobody answers.

/** A simulation in which these never happen proves nothing of them. */
const HAPPENS = [
  ...["delivered", "calls allowed", "calls denied", "call.approved", "step.approved", "step.held", "steps.judged"],
  ...["died", "began", "began anew", "way cut", "way deaf", "way kept", "way lost", "changed over"],
  ...["ended for one that is gone: hold", "ended for one that is gone: executor"],
  ...["closure CLOSED", "receipts.taken", "snapshot.taken", "events.pruned", "usage.reported", "principal.offboarded"],
];

test("whatever happens at whichever broker, the promises hold", { timeout: 3_600_000 }, async () => {
  // The same few each time: what many others would find is looked for with FC_RUNS, and not by whoever changes something else.
  const seen = await livesOf(sharedSchedules, 20, 1);
  for (const what of seen === undefined ? [] : HAPPENS) {
    expect(seen?.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});

/** Two brokers of one machine that answer at once. */
const TWO = {
  ...{ delays: [], ledgerSigns: true },
  replicas: [0, 0].map((machine) => ({ machine, offsetSeconds: 0 })),
};
/** The set of policies that permits nothing to others than the first agent. */
const OF_ANOTHER_AGENT = 3;
const OPEN = {
  ...{ kind: "open", by: 1, agent: 0, run: 0, step: 0, grant: [0], audiences: [], executor: "fit", approvals: 0 },
  ...{ attempt: undefined, under: undefined, token: undefined, requestId: undefined, principal: undefined },
  ...{ expiresInSeconds: undefined, leaseSeconds: undefined, calls: undefined },
  ...{ allowPartial: false, acceptPending: false },
} as const satisfies EventOf<"open">;
const ISSUE = {
  ...{ kind: "issue", by: 1, step: 0, wanted: [0], uses: 0, calls: undefined, apart: false },
} as const satisfies EventOf<"issue">;
/** By somebody who may not ask about calls. */
const CALL = {
  ...{ kind: "call", by: 0, credential: 0, element: 0, times: 1, meanwhile: undefined, digest: undefined },
  ...{ acceptPending: false, answer: undefined, again: 0 },
} as const satisfies EventOf<"call">;

test("a broker whose clock is off may refuse without a record of it", async () => {
  await lived({
    rounds: [[{ kind: "policies", set: 0 }], [OPEN], [ISSUE], [{ kind: "wall", seconds: 300 }], [CALL]],
    ...{ ...TWO, routes: [0] },
  });
});

test("what a broker had not judged yet as another took the step over is judged by that one", async () => {
  await lived({
    rounds: [
      [
        { ...OPEN, agent: 1 },
        { kind: "engine", state: "failing" },
      ],
      [{ kind: "policies", set: OF_ANOTHER_AGENT }],
      [{ kind: "hold", by: 1, step: 0 }],
      [{ kind: "advance", ms: 1_000 }],
    ],
    ...{ ...TWO, routes: [0, 0, 1, 1, 1] },
  });
});
