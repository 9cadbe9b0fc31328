import { type Denial, denial } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type ToolDefinition, toolStateOf } from "../../domain/tool-definition.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import type {
  AcceptToolAct,
  ForgetToolAct,
  ReportedTool,
  ReportToolsAct,
  ReportToolsResult,
} from "../../ports/tool-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedTool, ToolCounts } from "../view.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function* reportTools(act: ReportToolsAct): Deliberation<ReportToolsResult> {
  const { location, tools } = act;
  const { known, counts } = yield* ask({
    known: tools.map(({ tool }) => read("tool", location, tool)),
    counts: read("toolsAt", location),
  });
  let kept = counts;
  const events: LedgerEvent[] = [];
  const reported = tools.map((shown, index): ReportedTool => {
    const before = known[index];
    const event = eventOf(shown, before, kept, act);
    if (event !== undefined) {
      events.push(event);
      kept = { tools: kept.tools + (before === undefined ? 1 : 0), definitions: kept.definitions + 1 };
    }
    const pinned = event?.type === "tool.seen" && event.pinned ? shown.sha256 : before?.pinned;
    return {
      tool: shown.tool,
      state: toolStateOf(shown.sha256, pinned),
      ...(pinned === undefined ? {} : { pinned }),
      isRecorded: event !== undefined || before?.definitions.includes(shown.sha256) === true,
    };
  });
  return recorded(events, (first) => ({
    kind: "reported",
    sequence: events.length === 0 ? 0 : first + events.length - 1,
    tools: reported,
  }));
}

/** What is to be recorded of a definition; `undefined` where it is known, or is one too many. */
function eventOf(
  shown: ToolDefinition,
  before: GuardedTool | undefined,
  counts: ToolCounts,
  { location, pinsFirst, by, now: at }: ReportToolsAct,
) {
  if (counts.definitions >= LIMITS.toolDefinitionsPerLocationMax) return undefined;
  const tool = { location, ...shown };
  if (before === undefined) {
    if (counts.tools >= LIMITS.toolsPerLocationMax) return undefined;
    return { type: "tool.seen", v: 1, at, tool, pinned: pinsFirst, by } as const;
  }
  const { definitions, pinned } = before;
  if (definitions.includes(shown.sha256) || definitions.length >= LIMITS.toolDefinitionsMax) return undefined;
  return { type: "tool.changed", v: 1, at, tool, ...(pinned === undefined ? {} : { pinned }), by } as const;
}

export function* acceptTool(act: AcceptToolAct): Deliberation<Sequenced | Denial> {
  const { location, tool, sha256, reason, by, now: at } = act;
  const { known } = yield* ask({ known: read("tool", location, tool) });
  if (known === undefined) return notReported();
  if (!known.definitions.includes(sha256)) {
    const field = "definition_sha256";
    return refused(denial("INVALID_FIELD", `${field}: one of the definitions that are kept of the tool`, { field }));
  }
  if (known.pinned === sha256 && known.newest === sha256) return answered(sequenced(0));
  const pinned = known.pinned === undefined ? {} : { pinned: known.pinned };
  return recordedAll([{ type: "tool.accepted", v: 1, at, location, tool, sha256, ...pinned, reason, by }]);
}

export function* forgetTool(act: ForgetToolAct): Deliberation<Sequenced | Denial> {
  const { location, tool, reason, by, now: at } = act;
  const { known } = yield* ask({ known: read("tool", location, tool) });
  if (known === undefined) return notReported();
  return recordedAll([{ type: "tool.forgotten", v: 1, at, location, tool, reason, by }]);
}

function notReported() {
  return refused(denial("INVALID_FIELD", "tool: one that was reported at this location", { field: "tool" }));
}
