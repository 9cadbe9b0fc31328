import { startedByLedger } from "../adapters/front-processes/ledger-process.ts";
import { createLog } from "../adapters/log-pino/log-pino.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { runFrontEnd } from "./front-end.ts";
import { LAST_LINES_MS, logWhatNodePrints } from "./log-what-node-prints.ts";
import { mergingLog } from "./merging-log.ts";

// The program of a front end, which the process of the ledger starts. It is no command: without that process there is nothing that it
// could do.

const NOT_A_COMMAND = 2;

const parent = await startedByLedger();
if (parent === undefined) {
  process.stderr.write("stintd: a front end is started by stintd alone\n");
  process.exit(NOT_A_COMMAND);
}
const whole = createLog({ level: "info", facts: { front: parent.number } });
const { log, flush } = mergingLog(whole, systemClock());
logWhatNodePrints({ whole, warnings: log }, "a front end");
await runFrontEnd({
  ...{ parent, setLevel: whole.setLevel, log },
  flushed() {
    flush();
    return whole.flushed(LAST_LINES_MS);
  },
});
