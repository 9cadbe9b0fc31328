import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { isClosed } from "../../src/domain/step.ts";
import type { Head, OpenedLedger } from "../../src/ports/ledger.ts";
import { inDirectory, openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { amountOf } from "./amounts.ts";

const ROUNDS = amountOf("STINT_KILL_ROUNDS", { quick: 5, full: 200 });
const CHILD = fileURLToPath(new URL("./ledger-child.ts", import.meta.url));

type Acknowledged = {
  readonly issued: Set<string>;
  readonly opened: Set<string>;
  readonly closed: Set<string>;
  head: Head | undefined;
};

/** Lets a child append until it has acknowledged so much, then kills it while it goes on. */
async function appendAndKill(directory: string, lines: number, acknowledged: Acknowledged): Promise<void> {
  const child = spawn(process.execPath, [CHILD, directory], { stdio: ["ignore", "pipe", "inherit"] });
  let left = lines;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const [what, id = "", sequence, root = ""] = line.split(" ");
      if (what === "issued" || what === "opened" || what === "closed") acknowledged[what].add(id);
      if (what === "head") {
        acknowledged.head = { epoch: id, sequence: Number(sequence), rootHash: Buffer.from(root, "hex") };
      }
      left -= 1;
      // What is in the pipe already was acknowledged too, so reading goes on to its end.
      if (left === 0) child.kill("SIGKILL");
    }
  } finally {
    child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
}

/** Whether everything that was acknowledged is in the ledger, and closed what was closed. */
async function expectKept(store: OpenedLedger, { issued, opened, closed }: Acknowledged, since: number): Promise<void> {
  const recorded = new Set<string>();
  for (let before = store.ledger.head().sequence + 1; before > since; ) {
    const page = await store.history.issuances({ before, now: systemClock().now(), limit: 10_000 });
    for (const row of page) recorded.add(row.issuanceId);
    before = page.at(-1)?.sequence ?? 0;
  }
  expect([...issued].filter((id) => !recorded.has(id))).toEqual([]);
  for (const stepId of opened) {
    const step = await store.steps.step(stepId);
    expect(step?.stepId).toBe(stepId);
    if (closed.has(stepId)) expect(isClosed(step?.state ?? "OPEN")).toBe(true);
  }
}

test(
  `whatever was acknowledged before a kill is there after it, ${ROUNDS} times over`,
  () =>
    inDirectory(async (directory) => {
      const given = { clock: systemClock(), randomness: systemRandomness() };
      const all: Acknowledged = { issued: new Set(), opened: new Set(), closed: new Set(), head: undefined };
      for (let round = 0; round < ROUNDS; round += 1) {
        const since = all.head?.sequence ?? 0;
        const now: Acknowledged = { issued: new Set(), opened: new Set(), closed: new Set(), head: all.head };
        // Another instant each time: from the first commits to the middle of the load.
        await appendAndKill(directory, 20 + ((round * 137) % 900), now);
        for (const what of ["issued", "opened", "closed"] as const) for (const id of now[what]) all[what].add(id);
        all.head = now.head;

        // Held against the last head that was acknowledged, not the one that the child had time to keep.
        const checkpoints = {
          load: async () => (now.head === undefined ? [] : [now.head]),
          save: async () => undefined,
        };
        const store = await openIn(directory, { given, checkpoints });
        try {
          expect(store.verdict).toEqual({ kind: "trusted" });
          expect(store.ledger.head().sequence).toBeGreaterThanOrEqual(now.head?.sequence ?? 0);
          await expectKept(store, now, since);
        } finally {
          await store.close();
        }
      }
      const store = await openIn(directory, { given });
      expect(await store.verifyAll()).toEqual({ kind: "intact" });
      // Nor did a later kill take away what an earlier one had left.
      await expectKept(store, all, 0);
      await store.close();
      expect(all.closed.size).toBeGreaterThan(0);
    }),
  60_000 + ROUNDS * 10_000,
);

test("a ledger that another process has is refused, until that is killed", () =>
  inDirectory(async (directory) => {
    const child = spawn(process.execPath, [CHILD, directory], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      await expect(openIn(directory)).rejects.toMatchObject({ code: "NOT_SERVING" });
      // The refused one has not disturbed it.
      await once(child.stdout, "data");
    } finally {
      child.kill("SIGKILL");
    }
    await once(child, "exit");
    await (await openIn(directory)).close();
  }));
