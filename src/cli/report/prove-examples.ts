import { parseTlogProof, TLOG_PROOF_HEADER } from "../../domain/tlog-proof.ts";
import type { History } from "../../gen/stint/v1/history_pb.js";
import type { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { everyPage } from "../../sdk/operator/every-page.ts";
import { CallError } from "../../wire/call-error.ts";
import type { ClientOf } from "../../wire/client.ts";
import type { TypeCounts } from "./count-figures.ts";
import type { Period } from "./figure-command.ts";
import { EXAMPLES, type Example, type ExampleName } from "./figures.ts";
import { filterOf } from "./history-question.ts";
import { provenEvent } from "./proven-event.ts";
import type { ReportedExample } from "./report.ts";

type Asked = {
  readonly history: Pick<ClientOf<typeof History>, "listEvents" | "listDecisions">;
  readonly ledger: Pick<ClientOf<typeof Ledger>, "prove">;
};

/**
 * Finds what a report shows of its period, and has the ledger prove it.
 *
 * @param types - of which types there are events in the period.
 * @throws CallError
 */
export async function proveExamples(
  asked: Asked,
  names: readonly ExampleName[],
  period: Period,
  types: TypeCounts,
): Promise<readonly ReportedExample[]> {
  const examples: ReportedExample[] = [];
  for (const id of names) {
    const example: Example = EXAMPLES[id];
    // Of a type that is not there a broker would look through all of the period.
    const mayBe = example.list !== "events" || types.has(example.type);
    const sequence = mayBe ? await newestOf(asked.history, example, period) : undefined;
    const found = sequence === undefined ? { absent: "nothing like it was recorded in the period" } : undefined;
    examples.push({ id, title: example.title, ...(found ?? (await proven(asked.ledger, sequence ?? 0n))) });
  }
  return examples;
}

async function newestOf(history: Asked["history"], example: Example, period: Period): Promise<bigint | undefined> {
  const list = async (pageToken: string) => {
    const page = { pageSize: 1, pageToken };
    if (example.list === "events") {
      const answer = await history.listEvents({ filter: { ...filterOf({ type: example.type }, period), ...page } });
      return { rows: answer.events, nextPageToken: answer.nextPageToken };
    }
    const answer = await history.listDecisions({ filter: { ...filterOf(example.where, period), ...page } });
    return { rows: answer.decisions, nextPageToken: answer.nextPageToken };
  };
  for await (const { rows } of everyPage(list)) {
    const [first] = rows;
    if (first !== undefined) return first.sequence;
  }
  return undefined;
}

async function proven(ledger: Asked["ledger"], sequence: bigint) {
  try {
    const { proof } = await ledger.prove({ subject: { case: "sequence", value: sequence } });
    const entry = parseTlogProof(proof)?.extra;
    if (entry === undefined) throw new TypeError(`the broker gave no ${TLOG_PROOF_HEADER} of event ${sequence}`);
    return { sequence: Number(sequence), event: provenEvent(entry), proof };
  } catch (thrown) {
    if (!(thrown instanceof CallError) || thrown.info?.reason !== "PRUNED") throw thrown;
    return { absent: `what event ${sequence} said is deleted by the terms of retention; its place and hash stay` };
  }
}
