import type { Denial } from "../../domain/errors.ts";
import { formatProcess } from "../../domain/process.ts";
import type { EnrollProcessAct, Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import { decidedOnRefusal, entriesOf } from "./refusals.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function* enrollProcess({ process, by, decidedOn, now }: EnrollProcessAct): Deliberation<Sequenced | Denial> {
  const { isEnrolled, entries } = yield* ask({
    isEnrolled: read("isEnrolled", process),
    entries: entriesOf(decidedOn),
  });
  const refusal = decidedOnRefusal(decidedOn, entries);
  if (refusal !== undefined) return refused(refusal);
  if (isEnrolled) return answered(sequenced(0));
  return recordedAll([{ type: "process.enrolled", v: 1, at: now, process: formatProcess(process), by }]);
}
