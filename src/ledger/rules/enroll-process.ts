import type { Denial } from "../../domain/errors.ts";
import { formatProcess } from "../../domain/process.ts";
import type { EnrollProcessAct, Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import { eachDecidedOn, guardsOf } from "./refusals.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function* enrollProcess({ process, by, decidedOn, now }: EnrollProcessAct): Deliberation<Sequenced | Denial> {
  const { isEnrolled, ...guards } = yield* ask({
    isEnrolled: read("isEnrolled", process),
    ...guardsOf([decidedOn]),
  });
  const refusal = eachDecidedOn([decidedOn], guards)(decidedOn);
  if (refusal !== undefined) return refused(refusal);
  if (isEnrolled) return answered(sequenced(0));
  return recordedAll([{ type: "process.enrolled", v: 1, at: now, process: formatProcess(process), by }]);
}
