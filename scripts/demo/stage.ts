import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where processes are put on, so that all of them and their files are gone in the end. */
export type Stage = {
  /** Others may look into it. */
  readonly directory: string;
  /** Has a process killed in the end. */
  keep<One extends { kill(): Promise<void> }>(actor: One): One;
  /** Has one ended otherwise; the last comes first. */
  keepBy(end: () => Promise<void>): void;
  /** How many there are. */
  processes(): number;
  close(): Promise<void>;
};

/**
 * @param name - of the directory, which gets a random end.
 * @param open - puts on what is needed; what it has put on is ended where it throws.
 */
export async function onStage<Scene>(name: string, open: (stage: Stage) => Promise<Scene>): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), name));
  chmodSync(directory, 0o755);
  const ends: (() => Promise<void>)[] = [];
  const stage: Stage = {
    directory,
    keep(actor) {
      ends.push(() => actor.kill());
      return actor;
    },
    keepBy: (end) => void ends.push(end),
    processes: () => ends.length,
    async close() {
      for (const end of ends.splice(0).reverse()) await end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    return await open(stage);
  } catch (thrown) {
    await stage.close();
    throw thrown;
  }
}
