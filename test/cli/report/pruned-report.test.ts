import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import type { Report } from "../../../src/cli/report/report.ts";
import { reservationsOf } from "../../../src/cli/report/reservations.ts";
import type { Daemon } from "../../daemon.ts";
import { closeStep, issueJwt, openStep, sessionWith, startOwnDaemon } from "../../faults/daemon-scene.ts";
import { runStint } from "../running.ts";

// What a report can't show any more, or never could, it says.

async function reported({ operatorSocket }: Daemon): Promise<Report> {
  const args = ["--operator-socket", operatorSocket, "report", "--framework", "owasp-nhi", "--format", "json"];
  const { status, out, err } = await runStint(args, { now: Date.now() + 2_000 });
  expect([status, err]).toEqual([0, err]);
  return JSON.parse(out) as Report;
}

test("events whose content is deleted are counted as before, and none of them is an example", async () => {
  const first = await startOwnDaemon();
  const session = sessionWith(first);
  const { stepId } = await openStep(session, "r-1");
  await issueJwt(session, stepId);
  await closeStep(session, stepId);
  const whole = await reported(first);
  // As the daemon prunes, but for its record of it: with a snapshot it would take a ledger that is months old.
  const db = openWriter(await loadDriver(), join(first.directory, "data/ledger/ledger.db"));
  db.exec(
    "DROP TRIGGER event_is_never_changed; UPDATE event SET canonical = CAST('{}' AS BLOB) WHERE type = 'step.closed'",
  );
  db.close();
  const pruned = await reported(first);
  const count = (report: Report, id: string) => report.figures.find((figure) => figure.id === id)?.count;
  expect(count(pruned, "closes")).toBe(count(whole, "closes"));
  expect(count(pruned, "closes")).toBeGreaterThan(0);
  const example = (report: Report) => report.examples.find(({ id }) => id === "step-closed");
  expect(example(whole)).toHaveProperty("proof");
  expect(example(pruned)).toMatchObject({
    absent: expect.stringMatching(
      /^what event [0-9]+ said is deleted by the terms of retention; its place and hash stay$/,
    ),
  });
});

describe("before any figure it is said that", () => {
  const day = 86_400_000;
  const facts = {
    period: { since: day, until: 2 * day },
    beginsAt: 0,
    prunedEvents: 0,
    restored: 0,
    suspendedBecause: [],
  };
  test.for([
    { what: "nothing bears on the figures", change: {}, says: [] },
    { what: "a ledger began later", change: { beginsAt: day + 1 }, says: [/begins at 1970-01-02T00:00:00.001Z/] },
    { what: "there is no event", change: { beginsAt: undefined }, says: [/begins at no time: it is empty/] },
    { what: "a restored ledger was accepted", change: { restored: 1 }, says: [/accepted once in the period/] },
    { what: "it was so twice", change: { restored: 2 }, says: [/accepted 2 times in the period/] },
    {
      what: "content is deleted",
      change: { prunedEvents: 7 },
      says: [/^What 7 events of this ledger said is deleted/],
    },
    {
      what: "the broker issued nothing",
      change: { suspendedBecause: ["the disk is full", "the clock jumped"] },
      says: [/issued nothing: the disk is full\.$/, /issued nothing: the clock jumped\.$/],
    },
  ])("$what", ({ change, says }) => {
    const said = reservationsOf({ ...facts, ...change });
    expect(said).toEqual(says.map((text) => expect.stringMatching(text)));
  });
});
