import { checkpointOriginOf, ledgerOfOrigin } from "../../domain/checkpoint.ts";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { Retention } from "../../gen/stint/v1/retention_pb.js";
import { microsOfTimestamp } from "../../wire/timestamps.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import { readVersion } from "../output/version.ts";
import type { Session } from "../session.ts";
import { countFigures, countTypes } from "./count-figures.ts";
import { instantText, type Period } from "./figure-command.ts";
import type { ExampleName, FigureName } from "./figures.ts";
import type { Claim, Framework } from "./framework.ts";
import { proveExamples } from "./prove-examples.ts";
import { REPORT_SCHEMA, type Report } from "./report.ts";
import { madeBy } from "./report-words.ts";
import { reservationsOf } from "./reservations.ts";

/** Told of every period: whether the ledger is whole, and was put back, is what a reader asks first. */
const ALWAYS: readonly FigureName[] = ["everything", "epochs"];

/**
 * Asks the broker for all that a report says. Nothing is written meanwhile, so that a report is whole or is not.
 *
 * @throws CallError
 */
export async function makeReport(session: Session, framework: Framework, period: Period): Promise<Report> {
  const history = session.operator(History);
  const ledger = session.operator(Ledger);
  const claims = framework.controls.flatMap(({ does }) => does);
  const names = namesIn(claims);
  const bar = createProgressBar(session.context.err);
  try {
    const types = await countTypes(history, period);
    const figures = await countFigures(history, names.figures, period, types, (done) =>
      bar.show(done / names.figures.length, `${done} of ${names.figures.length} figures`),
    );
    const examples = await proveExamples({ history, ledger }, names.examples, period, types);
    const { epoch, suspendedBecause } = await ledger.get({});
    const { checkpoint, verifierKey } = await ledger.getCheckpoint({});
    const { prunedEvents, periods } = await session.operator(Retention).get({});
    const beginsAt = await beginningOf(history);
    const restored = (figures.find(({ id }) => id === "epochs")?.count ?? 0) - (isIn(beginsAt, period) ? 1 : 0);
    return {
      schema: REPORT_SCHEMA,
      made_at: instantText(session.context.now()),
      made_by: madeBy(readVersion()),
      trust_domain: ledgerOfOrigin(checkpointOriginOf(checkpoint))?.trustDomain ?? "",
      period: { since: instantText(period.since), until: instantText(period.until) },
      framework: aboutFramework(framework),
      ledger: {
        epoch,
        begins_at: beginsAt === undefined ? null : instantText(beginsAt),
        pruned_events: Number(prunedEvents),
        kept_for: Object.fromEntries(periods.map(({ eventClass, seconds }) => [eventClass, seconds])),
        checkpoint,
        verifier_key: verifierKey,
      },
      reservations: reservationsOf({
        period,
        beginsAt,
        prunedEvents: Number(prunedEvents),
        restored,
        suspendedBecause,
      }),
      figures,
      examples,
      controls: framework.controls.map(({ id, title, does, notCovered }) => ({
        id,
        title,
        does,
        not_covered: notCovered,
      })),
      nothing_for: { controls: framework.nothingFor, because: framework.nothingBecause },
    };
  } finally {
    bar.clear();
  }
}

function namesIn(claims: readonly Claim[]): {
  readonly figures: readonly FigureName[];
  readonly examples: readonly ExampleName[];
} {
  return {
    figures: [...new Set([...ALWAYS, ...claims.flatMap(({ figures }) => figures)])],
    examples: [...new Set(claims.flatMap(({ examples }) => examples))],
  };
}

function aboutFramework({ id, name, version, date, source, reviewed }: Framework): Report["framework"] {
  return { id, name, version, date, source, reviewed };
}

/** When the ledger's first event was recorded, in milliseconds since 1970. */
async function beginningOf(history: Pick<ReturnType<typeof historyOf>, "listEvents">): Promise<number | undefined> {
  const { events } = await history.listEvents({ filter: { pageSize: 1, oldestFirst: true } });
  const at = events[0]?.recordedAt;
  return at === undefined ? undefined : Math.floor(microsOfTimestamp(at, "recorded_at") / 1_000);
}
const historyOf = (session: Session) => session.operator(History);

function isIn(instant: number | undefined, { since, until }: Period): boolean {
  return instant !== undefined && instant >= since && instant < until;
}
