import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { EXIT, Failure } from "../failure.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import type { Session } from "../session.ts";

const MS_PER_SECOND = 1_000;

/**
 * Has the broker verify its whole ledger, with a bar and a rate on a terminal.
 *
 * @throws Failure naming what is damaged; CallError
 */
export async function verifyLedger(session: Session): Promise<void> {
  const { err, now } = session.context;
  const bar = createProgressBar(err);
  const began = now();
  let events = 0;
  let rate = 0;
  let reason: string | undefined = "the broker ended it";
  try {
    for await (const { message } of session.operator(Ledger).verify({})) {
      if (message.case === "finding") reason = message.value.intact ? undefined : message.value.reason;
      if (message.case !== "progress") continue;
      const { stage, done, total } = message.value;
      if (stage === "events") {
        events = Number(done);
        rate = Math.round(events / Math.max(1, (now() - began) / MS_PER_SECOND));
      }
      bar.show(Number(done) / Math.max(1, Number(total)), `${stage}: ${done} of ${total}, ${rate} events/s`);
    }
  } finally {
    bar.clear();
  }
  if (reason !== undefined) throw new Failure(`the ledger is damaged: ${reason}`, EXIT.refused);
  session.note(`intact: ${events} events, every table, and the checkpoints that are kept; ${rate} events/s`);
}
