import { expect, test } from "vitest";
import { livesOf } from "./lives-of.ts";
import { schedules } from "./schedule.ts";

// Goal: whatever order openings, issuances, calls, approvals, closes, delegations, offboardings, deaths, clock steps, faults and
// restarts come in, a live credential never belongs to a closed step nor outlives it, nor to one that the policies in force
// forbid, nor to a principal who was offboarded; nothing is issued between a rise of risk and the judging; grants only narrow,
// and no open step is out of bounds of what was granted around it; no call is allowed beyond a budget on the way, for a step
// that is not open, or that the policies forbid at that instant, and every answer is on record; what waits for approval has
// nothing and takes nobody's place, and is approved once, by nobody who asked, while the policies permit it; a call that waits or
// was refused is not allowed, and an approved one once, with these arguments, in its step's time; a close is whole or
// not at all, every signature had its row, what was taken back is refused, what verifiers report counts once and revives
// nothing, nobody accepts what a closure says is over, which it is in the end, the tables are what follows from the events, and
// every checkpoint is signed, of what was committed, and continues those before it; nothing is pruned that is alive, goes on or
// is held, and what is pruned is answered as that; receivers of security events are told of every end in its order, and of nothing
// else, whatever becomes of others.
// Method: fast-check draws a schedule and how long each answer of the ledger and the signer takes; the real paths run
// over the store in memory with a virtual clock; a model that reads the events alone holds each against the promises, and
// the invariants are checked whenever all is at rest.
// The followers are the real ones too: they fail, are behind, and die between a commit and its delivery; a second process
// that only follows, and one that begins at the end, have what the broker has. The engine of policies is the tests' own, whose
// answers the model computes as well; it fails and is late too.
// Some credentials are asked of a front end, which decides and drafts by what that second process knows, however old that is.
// A failure prints its seed; replay it with FC_SEED=<seed> make simulate; SEEDS=<n> for another number than 10,000.

/** A simulation in which these never happen proves nothing of them. */
const HAPPENS = [
  ...[
    "delivered",
    "delivered by a front end",
    "opened by a token",
    "opened for a principal",
    "closed when judged",
    "put out of bounds",
    "bound in a connected run",
  ],
  ...["calls allowed", "calls counted", "calls denied"],
  ...["receipts.taken", "closure.reached", "closure told as it changed", "closure signed"],
  ...["closure CLOSED", "closure PARTIAL", "closure UNKNOWN"],
  ...["checkpoint own", "checkpoint copy", "closure receipt", "receipt with a signature"],
  ...["snapshot.taken", "events.pruned", "hold.placed", "hold.lifted"],
  ...[
    "event_stream.put",
    "event_stream.ended",
    "events.delivered",
    "end told",
    "end told again",
    "stream that has all",
  ],
  ...["polled", "push takes", "push refuses", "push loses", "push hangs"],
  ...["usage.reported", "reported late", "reported of nobody's", "reported again"],
  ...["call.pending", "call.approved", "call.refused", "calls approved"],
  ...["step.pending", "step.approved", "REFUSED"],
  ...["COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "ABANDONED", "SUPERSEDED", "REVOKED"],
  ...["steps.judged", "principal.offboarded", "principal.readmitted", "principal.erased"],
];

test("whatever happens in whatever order, the promises hold", { timeout: 3_600_000 }, async () => {
  const seen = await livesOf(schedules, 200);
  if (seen === undefined) return;
  for (const what of HAPPENS) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});
