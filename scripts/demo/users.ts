import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Under which user each role runs; nothing given: under the demo's own. */
export type Users = {
  readonly broker?: number;
  readonly runtime?: number;
  readonly subAgent?: number;
  readonly library?: number;
  readonly archive?: number;
};

/** Ids that no account has on an ordinary system, and that of `nobody`. The kernel needs no account to tell them apart. */
const SEPARATE = { broker: 64_100, runtime: 64_101, subAgent: 65_534, library: 64_102, archive: 64_103 };

/** One user a role where this may become other users and those can read the checkout; one for all otherwise. */
export function chooseUsers(): Users {
  const isRoot = process.getuid?.() === 0;
  return isRoot && Object.values(SEPARATE).every(canRun) ? SEPARATE : {};
}

function canRun(uid: number): boolean {
  const script = fileURLToPath(new URL("agent.ts", import.meta.url));
  const look = ["--eval", "require('node:fs').accessSync(process.argv[1], 4)", script];
  return spawnSync(process.execPath, look, { uid, gid: uid, stdio: "ignore" }).status === 0;
}
