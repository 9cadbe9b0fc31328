import type { CountRowsResponse, History } from "../../gen/stint/v1/history_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { historyFieldMessageOf, historyListMessageOf, historySpanMessageOf } from "../../wire/history-message.ts";
import { secondsField } from "../output/fields.ts";
import { toldSpans } from "../told-spans.ts";
import { figureCommand, type Period } from "./figure-command.ts";
import { FIGURES, type Figure, type FigureName } from "./figures.ts";
import { filterOf, livingAt } from "./history-question.ts";
import type { ReportedFigure } from "./report.ts";

type Counting = Pick<ClientOf<typeof History>, "countRows">;

/** Groups of one figure that a report shows: as many as its command does. */
const GROUPS = 20;
/** More than there are types of events. */
const TYPES_MAX = 500;

/** Events of the period, by type; a type of which there are none is not there. */
export type TypeCounts = ReadonlyMap<string, number>;

/**
 * Counts the events of the period by type: what they are looked through for once, and not once for each figure or example.
 *
 * @throws CallError
 */
export async function countTypes(history: Counting, period: Period): Promise<TypeCounts> {
  const { groups } = await counts(history, FIGURES.everything, period, TYPES_MAX);
  return new Map(groups.map(({ value = "", count }) => [value, Number(count)]));
}

/**
 * Counts, one figure after the other, so that the broker's other readers have their turn.
 *
 * @param types - what of the figures is of one type of events is taken from there.
 * @param counted - is told how many are done.
 * @throws CallError; Failure where the broker is too old to tell of one of them
 */
export async function countFigures(
  history: Counting,
  names: readonly FigureName[],
  period: Period,
  types: TypeCounts,
  counted: (done: number) => void,
): Promise<readonly ReportedFigure[]> {
  const figures: ReportedFigure[] = [];
  for (const name of names) {
    const figure: Figure = FIGURES[name];
    const type = onlyTypeOf(figure);
    if (type !== undefined) figures.push({ ...headOf(name, figure, period), count: types.get(type) ?? 0 });
    else figures.push(figureOf(name, figure, period, await counts(history, figure, period, GROUPS)));
    counted(figures.length);
  }
  return figures;
}

/** The type, of a figure that counts the events of one type and nothing else. */
function onlyTypeOf({ list, where, groupBy }: Figure): string | undefined {
  const isOnly = list === "events" && groupBy === undefined && Object.keys(where).length === 1;
  return isOnly ? where.type : undefined;
}

function counts(history: Counting, figure: Figure, period: Period, top: number): Promise<CountRowsResponse> {
  const { list, where, groupBy, howLong, liveAtEnd } = figure;
  return history.countRows({
    list: historyListMessageOf(list),
    filter: liveAtEnd === true ? livingAt(where, period.until) : filterOf(where, period),
    top,
    ...(groupBy === undefined ? {} : { groupBy: historyFieldMessageOf(groupBy) }),
    ...(howLong === undefined ? {} : { span: historySpanMessageOf(howLong) }),
  });
}

function headOf(id: FigureName, figure: Figure, period: Period) {
  const { title, mayChange = false } = figure;
  return { id, title, command: figureCommand(figure, period), may_change: mayChange };
}

function figureOf(id: FigureName, figure: Figure, period: Period, answer: CountRowsResponse): ReportedFigure {
  if (figure.howLong !== undefined) {
    const { count, least, mean, most } = toldSpans(answer);
    const seconds = { least: secondsField(least), mean: secondsField(mean), most: secondsField(most) };
    return { ...headOf(id, figure, period), count: Number(count), seconds };
  }
  const counted = { ...headOf(id, figure, period), count: Number(answer.count) };
  if (figure.groupBy === undefined) return counted;
  return {
    ...counted,
    groups: answer.groups.map(({ value = null, count }) => ({ value, count: Number(count) })),
    groups_left_out: answer.groupsLeftOut,
    count_left_out: Number(answer.countLeftOut),
  };
}
