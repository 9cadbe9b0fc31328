import { connect } from "node:net";
import { join } from "node:path";
import { openStandbyLedger } from "../adapters/ledger-sqlite/standby-ledger.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { loadConfig } from "../config/load-config.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Head } from "../ports/ledger.ts";
import { type ConfigRequest, forOperator } from "./for-operator.ts";
import { readStandbyMark, removeStandbyMark, type StandbyMark } from "./standby-mark.ts";

/** What a standby had when it was promoted. */
export type Promoted = StandbyMark & { readonly head: Head };

/** A machine that is there answers in a fraction of this. */
const ANSWER_MS_MAX = 2_000;

/**
 * `stintd promote`: makes a broker's data directory of a standby's, while the standby does not run. A start on it issues nothing until an
 * operator has accepted the ledger, as one that was put back.
 *
 * @param request.whilePrimaryAnswers - also where somebody listens at the primary's address.
 * @throws an error that says why it can't be done; the directory is a standby's still then
 */
export async function promoteStandby(
  request: ConfigRequest & { readonly whilePrimaryAnswers: boolean },
): Promise<Promoted> {
  const { dataDirectory } = loadConfig(request.configPath, request.environment, { flags: request.flags ?? {} });
  try {
    const mark = await readStandbyMark(dataDirectory);
    if (mark === undefined) throw new BrokerError("NOT_SERVING", "the data directory is no standby's");
    const ledger = await openStandbyLedger(join(dataDirectory, "ledger"), systemClock().now);
    try {
      const head = ledger.head();
      if (head === undefined) throw new BrokerError("NOT_SERVING", "the standby's first copy was never whole");
      if (!request.whilePrimaryAnswers && (await answers(mark.of))) {
        throw new BrokerError(
          "NOT_SERVING",
          `${mark.of} answers: two brokers would go on with one ledger. Stop it first, or give --while-primary-answers`,
        );
      }
      await removeStandbyMark(dataDirectory);
      return { ...mark, head };
    } finally {
      ledger.close();
    }
  } catch (thrown) {
    throw forOperator(thrown, request);
  }
}

/** Whether anybody takes a connection there. */
function answers(address: string): Promise<boolean> {
  const [, host = "", port = ""] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: ANSWER_MS_MAX });
    const end = (isThere: boolean) => () => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}
