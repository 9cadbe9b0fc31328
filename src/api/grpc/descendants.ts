import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Cause, type Descendant, descendants } from "../../audit/descendants.ts";
import { invalidField } from "../../domain/errors.ts";
import type { Attested } from "../../domain/stages.ts";
import type { TellDescendantsRequest, TellDescendantsResponseSchema } from "../../gen/stint/v1/history_pb.js";
import type { ProcessWatch } from "../../ports/attestor.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { exchangeMessageOf } from "../../wire/exchange-message.ts";
import { issuanceMessageOf } from "../../wire/issuance-message.ts";
import { microsOfTimestamp, timestampOfMicros } from "../../wire/timestamps.ts";
import { namedEntry, namedProcess } from "./named-cause.ts";
import { type ShownPorts, shownStep } from "./shown-step.ts";

export type DescendantsPorts = ShownPorts & {
  readonly history: HistoryReads;
  readonly entries: EntryDirectory;
  readonly processes: ProcessWatch;
  readonly clock: Pick<Clock, "now">;
};

type Told = MessageInitShape<typeof TellDescendantsResponseSchema>;

/** @throws BrokerError INVALID_FIELD, ENTRY_NOT_FOUND, and what `descendants` throws */
export async function* toldDescendants(
  request: TellDescendantsRequest,
  caller: Attested,
  ports: DescendantsPorts,
): AsyncGenerator<Told, void, void> {
  const { since, until } = request;
  const opened = {
    ...(since === undefined ? {} : { since: microsOfTimestamp(since, "since") }),
    ...(until === undefined ? {} : { until: microsOfTimestamp(until, "until") }),
  };
  const now = ports.clock.now();
  for await (const one of descendants(causeOf(request.cause, caller, ports), opened, ports.history, now)) {
    yield await messageOf(one, now, ports);
  }
}

function causeOf(cause: TellDescendantsRequest["cause"], caller: Attested, ports: DescendantsPorts): Cause {
  switch (cause.case) {
    case "stepId":
      return { kind: "step", stepId: cause.value };
    case "runId":
      return { kind: "run", runId: cause.value };
    case "entry":
      return { kind: "entry", entryId: namedEntry(cause.value, ports.entries).entryId };
    case "process":
      return { kind: "process", process: namedProcess(cause.value, caller, ports.processes) };
    case "principalId":
      return { kind: "principal", principalId: cause.value };
    case "decisionId":
      return { kind: "decision", decisionId: cause.value };
    case "key":
      return { kind: "key", sha256: cause.value };
    default:
      throw invalidField("cause", "from what to go on");
  }
}

async function messageOf(one: Descendant, now: ReturnType<Clock["now"]>, ports: ShownPorts): Promise<Told> {
  switch (one.kind) {
    case "step":
      return { told: { case: "step", value: await shownStep(one.step, { processes: true }, ports) } };
    case "issuance":
      return { told: { case: "issuance", value: issuanceMessageOf(one.issuance, now) } };
    case "exchange":
      return { told: { case: "exchange", value: exchangeMessageOf(one.exchange) } };
    case "reach": {
      const { calls, actions, datatypes, ...reach } = one.reach;
      const value = { ...reach, actions: [...actions], datatypes: [...datatypes], calls: BigInt(calls) };
      return { told: { case: "reach", value } };
    }
    case "summary": {
      const { lastDiesAt, calls, audiences, ...summary } = one.summary;
      const died = lastDiesAt === undefined ? {} : { lastDiesAt: timestampOfMicros(lastDiesAt) };
      return {
        told: { case: "summary", value: { ...summary, ...died, audiences: [...audiences], calls: BigInt(calls) } },
      };
    }
  }
}
