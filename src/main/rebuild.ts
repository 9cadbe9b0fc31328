import { join } from "node:path";
import { rebuildAlone } from "../adapters/ledger-sqlite/rebuild-alone.ts";
import { loadConfig } from "../config/load-config.ts";
import { type ConfigRequest, forOperator } from "./for-operator.ts";

/**
 * `stintd rebuild`: writes the tables of the ledger anew from its events, while no daemon runs.
 *
 * @returns how many events there are.
 * @throws an error that says why it can't be done; the ledger is as it was then
 */
export async function rebuildLedger(
  request: ConfigRequest,
  progress: (done: number, total: number) => void,
): Promise<number> {
  const { dataDirectory } = loadConfig(request.configPath, request.environment, { flags: request.flags ?? {} });
  try {
    return await rebuildAlone(join(dataDirectory, "ledger"), progress);
  } catch (thrown) {
    throw forOperator(thrown, request);
  }
}
