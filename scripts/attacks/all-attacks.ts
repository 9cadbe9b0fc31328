import type { Attack } from "./attack.ts";
import { changedTool } from "./changed-tool.ts";
import { editedDatabase } from "./edited-database.ts";
import { hijackedModel } from "./hijacked-model.ts";
import { leakedKey } from "./leaked-key.ts";
import { passedOnToken } from "./passed-on-token.ts";
import { spawnedShell } from "./spawned-shell.ts";
import { stolenToken } from "./stolen-token.ts";
import { subAgent } from "./sub-agent.ts";

/** In the order in which they are run: the last leaves a broker that issues nothing. */
export const ATTACKS: readonly Attack[] = [
  leakedKey,
  hijackedModel,
  subAgent,
  changedTool,
  stolenToken,
  spawnedShell,
  passedOnToken,
  editedDatabase,
];
