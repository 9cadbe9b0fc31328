import { writeSync } from "node:fs";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { worldOf } from "../contract/ledger-world.ts";

// A broker's ledger under load, to be killed: `node ledger-child.ts <directory>`. It writes a line for everything that was
// acknowledged to it, and only then; whoever reads them knows what must be there afterwards.

const [directory = ""] = process.argv.slice(2);
const CALLERS = 16;

const given = { clock: systemClock(), randomness: systemRandomness() };
const store = await openIn(directory, { given });
const world = worldOf(store, given);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Returns once the whole line is in the kernel's hands, where a kill can't take it back; waits for a reader that is slow. */
function acknowledge(...words: readonly string[]): void {
  const line = Buffer.from(`${words.join(" ")}\n`);
  for (let written = 0; written < line.length; ) {
    try {
      written += writeSync(1, line, written);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN")) throw thrown;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

async function callForEver(): Promise<void> {
  for (;;) {
    const agent = await world.agent();
    const step = await world.open(agent);
    acknowledge("opened", step.stepId);
    for (let count = 0; count < 4; count += 1) {
      const { issuanceId } = await world.issue(step);
      acknowledge("issued", issuanceId);
    }
    await world.close(step);
    acknowledge("closed", step.stepId);
  }
}

// The last event of each commit is handed over with the head as it then is.
store.ledger.follow(
  {
    name: "acknowledgements",
    take({ sequence }) {
      const head = store.ledger.head();
      if (head.sequence !== sequence) return;
      acknowledge("head", head.epoch, String(sequence), Buffer.from(head.rootHash).toString("hex"));
    },
  },
  store.ledger.head().sequence,
);
acknowledge("ready");
await Promise.all(Array.from({ length: CALLERS }, callForEver));
