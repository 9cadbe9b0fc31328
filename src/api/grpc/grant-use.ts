import type { MessageInitShape } from "@bufbuild/protobuf";
import { type GrantUse, grantUseOfAgents, grantUseOfSteps } from "../../audit/grant-use.ts";
import { invalidField } from "../../domain/errors.ts";
import type { GrantUseSchema, ListGrantUseRequest, ListGrantUseResponseSchema } from "../../gen/stint/v1/history_pb.js";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { filterOf, tokensOf } from "./history-filter.ts";

/** @throws BrokerError INVALID_FIELD, LIMIT_EXCEEDED, LEDGER_UNAVAILABLE */
export async function listedGrantUse(
  { filter: asked, byAgent }: ListGrantUseRequest,
  { history, ledger }: { readonly history: HistoryReads; readonly ledger: Pick<Ledger, "head"> },
): Promise<MessageInitShape<typeof ListGrantUseResponseSchema>> {
  const head = ledger.head();
  const filter = filterOf(asked, { list: "steps", head });
  if (!byAgent) {
    const { uses, ...place } = await grantUseOfSteps(filter, history);
    return { uses: uses.map(messageOf), nextPageToken: tokensOf(place, filter, head).nextPageToken };
  }
  if (filter.before !== undefined || filter.oldestFirst === true) {
    throw invalidField("filter", "no page and no order: each agent is told once, of all of its steps");
  }
  return { uses: (await grantUseOfAgents(filter, history)).map(messageOf) };
}

function messageOf({ step, calls, callsInVain, ...use }: GrantUse): MessageInitShape<typeof GrantUseSchema> {
  const named =
    step === undefined
      ? {}
      : { stepId: step.stepId, stepName: { runId: step.runId, step: step.step, attempt: step.attempt } };
  return {
    ...use,
    ...named,
    grantedActions: [...use.grantedActions],
    usedActions: [...use.usedActions],
    calls: BigInt(calls),
    callsInVain: BigInt(callsInVain),
  };
}
