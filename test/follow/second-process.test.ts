import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inDirectory, openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { commands, play } from "../contract/random-acts.ts";
import { openReplica } from "./replica.ts";

// Goal: whoever only follows the ledger ends with what its writer has, whatever happened, in whatever groups, and whenever
// the follower began. Method: a random history is written into a real database in this process; another process reads that
// database, begins somewhere in the middle, and shows what it has at the end; the two texts are the same.

const CHILD = new URL("second-process-child.ts", import.meta.url).pathname;

async function followedBy(directory: string, { clock }: World) {
  const child = spawn(process.execPath, [CHILD, directory, String(clock.now())], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  expect(await line()).toBe("ready");
  return {
    async dump(sequence: number): Promise<string> {
      child.stdin.write(`${sequence} ${clock.now()}\n`);
      const count = Number(await line());
      const dump: string[] = [];
      while (dump.length < count) dump.push(await line());
      return dump.join("\n");
    },
    end: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<number | null> {
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  child.stdin?.end();
  return exited;
}

function fail(error: unknown): never {
  throw error;
}

/** Now and then without a restore, which ends all that is open. */
const long = fc
  .tuple(fc.nat({ max: 3 }), commands, commands, commands, commands, commands)
  .map(([restores, ...many]) => many.flat().filter((what) => what.do !== "restore" || restores === 0));

test("a second process that only follows has the same steps, entries, authorities and deny-list, byte for byte", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(long, async (sequence) => {
      await inDirectory(async (directory) => {
        const given = ports();
        const store = await openIn(directory, { given });
        const world = worldOf(store, given);
        const own = await openReplica({ ...store, clock: world.clock, failed: fail });
        let second: Awaited<ReturnType<typeof followedBy>> | undefined;
        try {
          await play(world, sequence, async () => {
            second = await followedBy(directory, world);
          });
          const { sequence: newest } = world.ledger.head();
          expect(await own.reached(newest)).toBe(true);
          expect(await second?.dump(newest)).toBe(own.dump());
        } finally {
          expect(await second?.end()).toBe(0);
          own.end();
          await store.close();
        }
      });
    }),
    // A history can't be cut down in the time that there is: each costs a process.
    { numRuns: Number(process.env["FC_RUNS"] ?? 8), endOnFailure: true },
  );
});
