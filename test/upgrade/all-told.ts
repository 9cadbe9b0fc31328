import type { Previous } from "./previous.ts";
import { json, type Place } from "./scene.ts";

const HISTORY = ["issuances", "steps", "decisions", "exchanges", "usage", "grant-use", "events"] as const;
const LISTS = ["entry", "step", "tool", "hold", "risk", "policy", "federation", "principal"] as const;

/** Commands of which each shows what the ledger says of something. */
const TOLD = [
  ...HISTORY.map((list) => ["history", list, "--limit", "500"]),
  ...LISTS.map((what) => [what, "list"]),
  ["ledger", "show"],
  ["policy", "status"],
  ["authority", "show"],
];

/** Everything that `stint` of a version tells of the ledger, by its command. */
export async function allTold(place: Place, version: Previous | "this"): Promise<Readonly<Record<string, unknown>>> {
  const stint = place.stint(version);
  const told = TOLD.map(async (args) => [args.join(" "), await json<unknown>(stint, ...args)] as const);
  return Object.fromEntries(await Promise.all(told));
}
