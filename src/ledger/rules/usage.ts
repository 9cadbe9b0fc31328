import type { RecordUsageAct } from "../../ports/call-acts.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import { ask, type Deliberation, read } from "../rule.ts";
import { recordedAll } from "./sequenced.ts";

export function* recordUsage({ entryId, usages, gap, now }: RecordUsageAct): Deliberation<Sequenced> {
  const { known, knownGap } = yield* ask({
    known: usages.map(({ calls: _, ...usage }) => read("usageCalls", entryId, usage)),
    knownGap: read("usageGap", entryId),
  });
  const cumulative = usages.map((usage, index) => ({ ...usage, calls: usage.calls + (known[index] ?? 0) }));
  return recordedAll([{ type: "usage.reported", v: 1, at: now, entryId, usages: cumulative, gap: knownGap + gap }]);
}
