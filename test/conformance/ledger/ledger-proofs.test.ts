import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { httpWitness } from "../../../src/adapters/witness-http/witness-http.ts";
import { prove, proveConsistency } from "../../../src/audit/prove.ts";
import { type CosigningPorts, keepCosigned } from "../../../src/authority/cosigning.ts";
import { formatAddCheckpoint } from "../../../src/domain/add-checkpoint.ts";
import { parseNoteKey } from "../../../src/domain/signed-note.ts";
import type { OpenedLedger } from "../../../src/ports/ledger.ts";
import { openIn } from "../../adapters/ledger-sqlite/ledger-directory.ts";
import { checkpointsIn } from "../../contract/checkpoints-in.ts";
import { ports, worldOf } from "../../contract/ledger-world.ts";
import type { VirtualClock } from "../../memory/virtual-clock.ts";
import { startWitness } from "../../samples/strict-witness.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../go-toolchain.ts";

/** Past one stored subtree of 256 leaves, and no power of two. */
const ISSUANCES = 700;
const PART = 100;

describe.skipIf(goIsMissing("tests of proofs with Go's libraries for transparency logs"))(
  "what a ledger proves",
  () => {
    let directory = "";
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "stint-go-ledger-"));
      await buildGo(import.meta.dirname, join(directory, "check"));
    }, GO_BUILD_MS_MAX);
    afterAll(() => rm(directory, { recursive: true, force: true }));

    /** The lines of the checks that held; rejects with the first that did not. */
    async function checked(input: object): Promise<readonly string[]> {
      const running = promisify(execFile)(join(directory, "check"));
      running.child.stdin?.end(JSON.stringify(input));
      return (await running).stdout.trim().split("\n");
    }

    /** A receipt with a witness's signature, and the witness's key. */
    async function cosignedReceipt(
      sequence: number,
      ports: Pick<CosigningPorts, "checkpoints" | "clock"> & Pick<OpenedLedger, "tree">,
      logKey: string,
    ): Promise<{ readonly receipt: string; readonly witness: string }> {
      const witness = await startWitness();
      onTestFinished(witness.close);
      witness.know(parseNoteKey(logKey) ?? expect.unreachable());
      const fail = (what: unknown) => expect.unreachable(String(what));
      const cosigning = keepCosigned({ ...ports, witnesses: [httpWitness(witness)], delayed: fail, failed: fail });
      onTestFinished(cosigning.stop);
      (ports.clock as VirtualClock).advance(0);
      const proved = () => prove({ sequence }, { tree: ports.tree, checkpoints: cosigning });
      await expect.poll(async () => (await proved()).proof).toContain(`— ${witness.key.name} `);
      return { receipt: (await proved()).proof, witness: witness.keyLine };
    }

    test("is accepted by the libraries that are in use for transparency logs", async () => {
      const given = ports();
      const checkpoints = await checkpointsIn(directory);
      const store = await openIn(directory, { given, checkpoints });
      const proving = { tree: store.tree, checkpoints };
      try {
        const world = worldOf(store, given);
        const agent = await world.agent();
        const step = await world.open(agent);
        given.clock.advance(1_000);
        const earlier = await checkpoints.covering(store.ledger.head().sequence);
        for (let part = 0; part < ISSUANCES / PART; part += 1) {
          const records = Array.from({ length: PART }, () => world.record(step));
          await world.ledger.perform(world.issueAct(records, { entryId: agent.entryId }));
        }
        // The clock of the ledger stands still until told; a checkpoint is kept a second after the one before.
        given.clock.advance(1_000);
        const { epoch, sequence: size } = store.ledger.head();
        await checkpoints.covering(size);
        const base = { origin: `example.org/stint/ledger/${epoch}`, key: checkpoints.verifierKey(epoch) };
        const { hashes, checkpoint } = await proveConsistency(earlier.size, proving);
        const consistency = formatAddCheckpoint({ oldSize: earlier.size, hashes, checkpoint });
        for (const sequence of [1, 2, 256, 257, 512, size - 1, size]) {
          const receipt = (await prove({ sequence }, proving)).proof;
          expect(await checked({ ...base, receipt, earlier: earlier.note, consistency })).toEqual([
            "x/mod/sumdb/note",
            "transparency-dev/formats/log",
            "transparency-dev/merkle inclusion",
            "x/mod/sumdb/tlog record",
            "transparency-dev/merkle consistency",
            "x/mod/sumdb/tlog tree",
          ]);
          const moved = receipt.replace(/^index .*$/m, `index ${sequence % size}`);
          await expect(checked({ ...base, receipt: moved })).rejects.toThrow(/Command failed/);
        }
        const cosigned = await cosignedReceipt(size, { ...proving, clock: given.clock }, base.key);
        expect(await checked({ ...base, ...cosigned })).toContain("transparency-dev/formats/note cosignature");
      } finally {
        await store.close();
      }
    });
  },
);
