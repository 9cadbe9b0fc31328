import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { exportedPages } from "../../audit/exported-pages.ts";
import { signedRecord } from "../../audit/signed-record.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { invalidField } from "../../domain/errors.ts";
import type { HistoryList } from "../../domain/history-filter.ts";
import {
  type ExportedIssuanceSchema,
  ExportedRows,
  type ExportRequest,
  type ExportResponseSchema,
} from "../../gen/stint/v1/history_pb.js";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { EnvelopeSigner } from "../../ports/envelope-signer.ts";
import type { ExportedIssuance, ExportFilter, ExportReads } from "../../ports/export-reads.ts";
import type { Ledger } from "../../ports/ledger.ts";
import { decisionMessageOf } from "../../wire/decision-message.ts";
import { issuanceMessageOf } from "../../wire/issuance-message.ts";
import type { Received } from "../../wire/service-definition.ts";
import { stepStateMessageOf } from "../../wire/step-message.ts";
import { microsOfTimestamp, timestampOfMicros } from "../../wire/timestamps.ts";
import type { Endpoint } from "./call.ts";
import { eventMessageOf } from "./event-message.ts";
import { rowsMeant } from "./history-filter.ts";
import { serverStreaming } from "./streaming.ts";

export type ExportPorts = {
  readonly exports: ExportReads;
  readonly ledger: Pick<Ledger, "head">;
  readonly clock: Pick<Clock, "now">;
  readonly recordSigner: EnvelopeSigner;
};

type Message = MessageInitShape<typeof ExportResponseSchema>;

/** Rows of history as they stood at one sequence, no faster than the operator takes them. */
export function exportHandler(
  endpoint: Endpoint,
  ports: ExportPorts,
): handleServerStreamingCall<Received<ExportRequest>, Message> {
  return serverStreaming<ExportRequest, typeof ExportResponseSchema>(
    endpoint,
    "History.Export",
    async function* (request, { caller }) {
      checkMayLook(caller);
      const span = spanOf(request, ports);
      yield {
        begun: {
          epoch: span.epoch,
          throughSequence: BigInt(span.through),
          asOf: timestampOfMicros(span.asOf),
          recordKey: ports.recordSigner.publicKey,
        },
      };
      yield* rowsOf(request, span, ports);
    },
  );
}

type Span = ReturnType<typeof spanOf>;

/** @throws BrokerError INVALID_FIELD */
function spanOf(request: ExportRequest, { ledger, clock }: ExportPorts) {
  const { epoch, sequence } = ledger.head();
  if (request.epoch !== "" && request.epoch !== epoch) {
    throw invalidField("epoch", "the ledger's epoch; it began another one since, so the export has to begin anew");
  }
  const through = request.throughSequence === 0n ? sequence : Number(request.throughSequence);
  if (through > sequence) throw invalidField("through_sequence", "a sequence that the ledger has");
  const after = Number(request.afterSequence);
  if (after > through) throw invalidField("after_sequence", "at most through_sequence");
  const asOf = request.asOf === undefined ? clock.now() : microsOfTimestamp(request.asOf, "as_of");
  return { epoch, after, through, asOf };
}

/** @throws BrokerError INVALID_FIELD */
function filterOf(request: ExportRequest, list: HistoryList, { through, asOf }: Span): ExportFilter {
  return { ...rowsMeant(request, list), through, now: asOf };
}

async function* rowsOf(
  request: ExportRequest,
  span: Span,
  { exports: reads, recordSigner }: Pick<ExportPorts, "exports" | "recordSigner">,
): AsyncGenerator<Message, void, void> {
  switch (request.rows) {
    case ExportedRows.ISSUANCES: {
      const filter = filterOf(request, "issuances", span);
      for await (const { rows, sequence } of exportedPages(filter, span, reads.exportedIssuances)) {
        yield { sequence: BigInt(sequence), issuances: rows.map((row) => exportedIssuanceMessageOf(row, span)) };
      }
      return;
    }
    case ExportedRows.DECISIONS: {
      const filter = filterOf(request, "decisions", span);
      for await (const { rows, sequence } of exportedPages(filter, span, reads.exportedDecisions)) {
        yield { sequence: BigInt(sequence), decisions: rows.map(decisionMessageOf) };
      }
      return;
    }
    case ExportedRows.EVENTS: {
      const filter = filterOf(request, "events", span);
      for await (const { rows, sequence } of exportedPages(filter, span, reads.exportedEvents)) {
        yield { sequence: BigInt(sequence), events: rows.map(eventMessageOf) };
      }
      return;
    }
    case ExportedRows.RECORDS: {
      const filter = filterOf(request, "decisions", span);
      for await (const { rows, sequence } of exportedPages(filter, span, reads.exportedRecords)) {
        const records = rows.map((row) => ({
          sequence: BigInt(row.sequence),
          envelope: JSON.stringify(signedRecord(row, span.through, recordSigner)),
        }));
        yield { sequence: BigInt(sequence), records };
      }
      return;
    }
    default:
      throw invalidField("rows", "issuances, decisions, events or records");
  }
}

function exportedIssuanceMessageOf(
  row: ExportedIssuance,
  { asOf }: Pick<Span, "asOf">,
): MessageInitShape<typeof ExportedIssuanceSchema> {
  return {
    issuance: issuanceMessageOf(row, asOf),
    stepState: row.step === undefined ? StepState.UNSPECIFIED : stepStateMessageOf(row.step.state),
    decisionId: row.decisionId ?? "",
    principalId: row.principalId ?? "",
  };
}
