import { type Command, InvalidArgumentError, Option } from "commander";
import {
  HISTORY_FIELDS,
  HISTORY_SPANS,
  type HistoryField,
  type HistoryList,
  type HistorySpan,
  hasSpan,
  isGroupedBy,
} from "../../domain/history-filter.ts";
import { LIMITS } from "../../domain/limits.ts";
import { STEP_STATES, type StepState } from "../../domain/step.ts";
import { History } from "../../gen/stint/v1/history_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { historyFieldMessageOf, historyListMessageOf, historySpanMessageOf } from "../../wire/history-message.ts";
import { stepStateMessageOf } from "../../wire/step-message.ts";
import type { Context } from "../context.ts";
import { addExport } from "../export/export-command.ts";
import { usageFailure } from "../failure.ts";
import { countFlag, listFlag } from "../flags.ts";
import { follow, followEvents } from "../follow-history.ts";
import { addHistoryFlags, type HistoryFlags, historyFilterOf } from "../history-flags.ts";
import { countView, groupView, spansView } from "../output/count-view.ts";
import { decisionView } from "../output/decision-view.ts";
import { eventView } from "../output/event-view.ts";
import { exchangeView } from "../output/exchange-view.ts";
import { grantUseView } from "../output/grant-use-view.ts";
import { issuanceView } from "../output/issuance-view.ts";
import { stepView } from "../output/step-view.ts";
import { usageView } from "../output/usage-view.ts";
import type { View } from "../output/view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting, type Session } from "../session.ts";
import { toldSpans } from "../told-spans.ts";

type Client = ClientOf<typeof History>;
type Filter = ReturnType<typeof historyFilterOf> & { readonly pageSize?: number; readonly pageToken?: string };
type More = { readonly [Field in HistoryField]?: readonly string[] };

/** One of the lists, as it is asked for and shown. */
type Listed<Row> = {
  readonly list: HistoryList;
  readonly view: View<Row>;
  readonly ask: (
    client: Client,
    filter: Filter,
    options: ListOptions,
  ) => Promise<{ readonly rows: readonly Row[]; readonly nextPageToken: string; readonly resumeToken: string }>;
  /** What flags of the list's own filter by. */
  readonly more?: (options: ListOptions) => More;
};

export type ListOptions = PagingOptions &
  HistoryFlags & {
    readonly count?: boolean;
    readonly groupBy?: HistoryField;
    readonly howLong?: HistorySpan;
    readonly top: number;
    readonly follow?: boolean;
    readonly resume?: string;
    readonly after?: number;
    readonly live?: boolean;
    readonly state?: string | readonly string[];
    readonly effect?: string;
    readonly decisionId?: string;
    readonly alive?: boolean;
  };

export function addHistory(history: Command, context: Context): void {
  function add<Row>(description: string, { list, view, ask, more = () => ({}) }: Listed<Row>): Command {
    const command = addPaging(addHistoryFlags(history.command(list).description(description), list, context));
    return addCounting(addFollowing(command, list), list).action(
      acting(context, async (session, options: ListOptions) => {
        const client = session.operator(History);
        const filter = historyFilterOf(list, options, more(options));
        checkTogether(options);
        if (isCount(options)) return showCount(session, list, filter, options);
        const asked = (page: Pick<Filter, "pageSize" | "pageToken">) => ask(client, { ...filter, ...page }, options);
        if (options.follow === true) {
          return list === "events"
            ? session.print.stream(eventView, followEvents(session, filter, options))
            : session.print.stream(view, follow(session, asked, options));
        }
        await session.print.rows(view, await rowsOf(session, options, asked, (page) => page.rows));
      }),
    );
  }

  add("credentials: whose, until when, and what became of them", {
    list: "issuances",
    view: issuanceView,
    more: ({ state, live }) => (live === true ? { outcome: ["live"] } : isText(state) ? { outcome: [state] } : {}),
    async ask(client, filter) {
      const { issuances: rows, ...tokens } = await client.listIssuances({ filter });
      return { rows, ...tokens };
    },
  })
    .addOption(new Option("--state <state>", "in this state now").choices(ISSUANCE_STATES))
    .option("--live", "neither expired nor revoked");

  addStates(
    add("steps: opened when, and ended how", {
      list: "steps",
      view: stepView,
      more: ({ state }) => (state === undefined || isText(state) ? {} : { outcome: state }),
      async ask(client, filter) {
        const { steps: rows, ...tokens } = await client.listSteps({ filter });
        return { rows, ...tokens };
      },
    }),
  );

  add("what was allowed and denied, and by what", {
    list: "decisions",
    view: decisionView,
    more: ({ effect, decisionId }) => ({
      ...(effect === undefined ? {} : { outcome: [effect] }),
      ...(decisionId === undefined ? {} : { decision: [decisionId] }),
    }),
    async ask(client, filter) {
      const { decisions: rows, ...tokens } = await client.listDecisions({ filter });
      return { rows, ...tokens };
    },
  })
    .addOption(new Option("--effect <effect>", "with this effect").choices(["allow", "deny"]))
    .option("--decision-id <id>", "the one that a refusal named");

  add("secrets of other systems: which step's, and what became of them", {
    list: "exchanges",
    view: exchangeView,
    async ask(client, filter, { alive = false }) {
      const { exchanges: rows, ...tokens } = await client.listExchanges({ filter, alive });
      return { rows, ...tokens };
    },
  }).option("--alive", "of which something may be alive");

  add("calls of tools, as their servers have reported them", {
    list: "usage",
    view: usageView,
    async ask(client, filter) {
      const { usage: rows, nextPageToken } = await client.listUsage({ filter });
      return { rows, nextPageToken, resumeToken: "" };
    },
  });

  addHistoryFlags(
    addPaging(
      history.command("grant-use").description("what steps were granted, beside what servers have reported of it"),
    ),
    "steps",
    context,
  )
    .option("--by-agent", "for each agent, in all steps that are meant")
    .action(
      acting(context, async (session, options: ListOptions & { readonly byAgent?: boolean }) => {
        const client = session.operator(History);
        const filter = historyFilterOf("steps", options);
        const { byAgent = false } = options;
        const rows = byAgent
          ? (await client.listGrantUse({ filter, byAgent })).uses
          : await rowsOf(
              session,
              options,
              (page) => client.listGrantUse({ filter: { ...filter, ...page } }),
              (page) => page.uses,
            );
        await session.print.rows(grantUseView, rows);
      }),
    );

  add("the ledger itself", {
    list: "events",
    view: eventView,
    async ask(client, filter) {
      const { events: rows, ...tokens } = await client.listEvents({ filter });
      return { rows, ...tokens };
    },
  }).option("--after <sequence>", "with --follow: begin behind this sequence, 0 for the first event", countFlag);

  addExport(history, context);
}

const ISSUANCE_STATES = ["live", "expired", "revoked", "undelivered"];

function isText(value: string | readonly string[] | undefined): value is string {
  return typeof value === "string";
}

function addFollowing(command: Command, list: HistoryList): Command {
  if (list === "usage") return command;
  return command
    .option("--follow", "go on with each as it is recorded")
    .option("--resume <token>", "with --follow: go on where a follow broke off, as it said");
}

function addCounting(command: Command, list: HistoryList): Command {
  const fields = (Object.keys(HISTORY_FIELDS) as HistoryField[]).filter((field) => isGroupedBy(list, field));
  const spans = (Object.keys(HISTORY_SPANS) as HistorySpan[]).filter((span) => hasSpan(list, span));
  if (spans.length > 0) {
    command.addOption(
      new Option(
        "--how-long <what>",
        "tell only how long this lasted: the least, the mean and the most, in seconds",
      ).choices(spans),
    );
  }
  return command
    .option("--count", "tell only how many")
    .addOption(
      new Option("--group-by <field>", "tell how many for each value of a field: the largest first")
        .choices(fields.map((field) => field.replaceAll("_", "-")))
        .argParser((text: string) => fieldFlag(text, fields)),
    )
    .option("--top <count>", "with --group-by: so many groups", countFlag, LIMITS.historyGroupsDefault);
}

function fieldFlag(text: string, fields: readonly HistoryField[]): HistoryField {
  const field = fields.find((one) => one === text.replaceAll("-", "_"));
  if (field === undefined) throw new InvalidArgumentError(`Allowed choices are ${fields.join(", ")}.`);
  return field;
}

function isCount({ count, groupBy, howLong }: ListOptions): boolean {
  return count === true || groupBy !== undefined || howLong !== undefined;
}

/** A flag that would have no effect beside another is refused, not ignored. */
function checkTogether(options: ListOptions): void {
  const counts = isCount(options);
  if (counts && options.follow === true) throw usageFailure("--count and --group-by do not go with --follow");
  if (options.howLong !== undefined && (options.count === true || options.groupBy !== undefined)) {
    throw usageFailure("--how-long goes without --count and --group-by");
  }
  if (counts && options.alive === true) throw usageFailure("--alive is not counted by; --live-at is");
  if (options.follow === true && options.pageToken !== undefined)
    throw usageFailure("--follow takes --resume instead of --page-token");
  if (options.follow === true) return;
  if (options.resume !== undefined) throw usageFailure("--resume goes with --follow");
  if (options.after !== undefined) throw usageFailure("--after goes with --follow");
}

async function showCount(
  session: Session,
  list: HistoryList,
  filter: Filter,
  { groupBy, howLong, top }: ListOptions,
): Promise<void> {
  const answer = await session.operator(History).countRows({
    list: historyListMessageOf(list),
    filter,
    top,
    ...(groupBy === undefined ? {} : { groupBy: historyFieldMessageOf(groupBy) }),
    ...(howLong === undefined ? {} : { span: historySpanMessageOf(howLong) }),
  });
  if (howLong !== undefined) return session.print.one(spansView, toldSpans(answer));
  if (groupBy === undefined) return session.print.one(countView, answer);
  await session.print.rows(groupView(groupBy), answer.groups);
  if (answer.groupsLeftOut === 0) return;
  session.note(`${answer.groupsLeftOut} more, of ${answer.countLeftOut} together; ${answer.count} in all`);
}

/** Adds `--state`, which may be given several times. */
export function addStates(command: Command): Command {
  const states = STEP_STATES.map((state) => state.toLowerCase());
  return command.addOption(
    new Option("--state <state>", "in one of these states; may be repeated")
      .choices([...states, "pending"])
      .argParser((text: string, before: readonly string[] | undefined) => {
        const state = text === "pending" ? "pending_approval" : text;
        if (!states.includes(state)) throw new InvalidArgumentError(`Allowed choices are ${states.join(", ")}.`);
        return listFlag(state, before);
      }),
  );
}

export function statesOf(states: readonly Lowercase<StepState>[] | undefined) {
  return (states ?? []).map((state) => stepStateMessageOf(state.toUpperCase() as StepState));
}
