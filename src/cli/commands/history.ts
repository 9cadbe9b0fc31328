import { type Command, InvalidArgumentError, Option } from "commander";
import { EVENT_TYPES } from "../../domain/event-types.ts";
import type { SvidKind } from "../../domain/issuance.ts";
import { STEP_STATES, type StepState } from "../../domain/step.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { Effect, type Event, History } from "../../gen/stint/v1/history_pb.js";
import { IssuanceState } from "../../gen/stint/v1/types_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { svidKindMessageOf } from "../../wire/issuance-message.ts";
import { stepStateMessageOf } from "../../wire/step-message.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import type { Context } from "../context.ts";
import { addExport } from "../export/export-command.ts";
import { usageFailure } from "../failure.ts";
import { countFlag, instantFlag, listFlag, serialFlag } from "../flags.ts";
import { decisionView } from "../output/decision-view.ts";
import { eventView } from "../output/event-view.ts";
import { exchangeView } from "../output/exchange-view.ts";
import { issuanceView } from "../output/issuance-view.ts";
import { stepView } from "../output/step-view.ts";
import { usageView } from "../output/usage-view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting } from "../session.ts";

type FilterOptions = PagingOptions & {
  readonly run?: string;
  readonly step?: string;
  readonly stepId?: string;
  readonly agent?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
};

const ISSUANCE_STATES = {
  live: IssuanceState.LIVE,
  expired: IssuanceState.EXPIRED,
  revoked: IssuanceState.REVOKED,
  undelivered: IssuanceState.UNDELIVERED,
} as const;
const SVID_KINDS = { x509: "x509-svid", jwt: "jwt-svid", wit: "wit-svid", txn: "txn-token" } as const satisfies Record<
  string,
  SvidKind
>;
const EFFECTS = { allow: Effect.ALLOW, deny: Effect.DENY } as const;

type IssuancesOptions = FilterOptions & {
  readonly kind?: keyof typeof SVID_KINDS;
  readonly state?: keyof typeof ISSUANCE_STATES;
  readonly live?: boolean;
  readonly serial?: string;
  readonly jti?: string;
};
type StepsOptions = FilterOptions & { readonly state?: readonly Lowercase<StepState>[] };
type DecisionsOptions = FilterOptions & { readonly effect?: keyof typeof EFFECTS; readonly decisionId?: string };
type ExchangesOptions = FilterOptions & { readonly target?: string; readonly alive?: boolean };
type EventsOptions = FilterOptions & { readonly type?: string; readonly follow?: boolean; readonly after?: number };

export function addHistory(history: Command, context: Context): void {
  const list = (name: string, description: string) =>
    addFilter(history.command(name).description(description), context);

  list("issuances", "credentials: whose, until when, and what became of them")
    .addOption(new Option("--kind <kind>", "of this kind").choices(Object.keys(SVID_KINDS)))
    .addOption(new Option("--state <state>", "in this state now").choices(Object.keys(ISSUANCE_STATES)))
    .option("--live", "neither expired nor revoked")
    .option("--serial <number>", "with this serial number, hexadecimal", serialFlag)
    .option("--jti <jti>", "with this jti")
    .action(
      acting(context, async (session, options: IssuancesOptions) => {
        const { listIssuances } = session.operator(History);
        const rows = await rowsOf(
          session,
          options,
          (page) =>
            listIssuances({
              filter: { ...filterOf(options), ...page },
              live: options.live ?? false,
              serialNumber: options.serial ?? "",
              jti: options.jti ?? "",
              ...(options.kind === undefined ? {} : { kind: svidKindMessageOf(SVID_KINDS[options.kind]) }),
              ...(options.state === undefined ? {} : { state: ISSUANCE_STATES[options.state] }),
            }),
          (page) => page.issuances,
        );
        await session.print.rows(issuanceView, rows);
      }),
    );

  addStates(list("steps", "steps: opened when, and ended how")).action(
    acting(context, async (session, options: StepsOptions) => {
      const { listSteps } = session.operator(History);
      const states = statesOf(options.state);
      const rows = await rowsOf(
        session,
        options,
        (page) => listSteps({ filter: { ...filterOf(options), ...page }, states }),
        (page) => page.steps,
      );
      await session.print.rows(stepView, rows);
    }),
  );

  list("decisions", "what was allowed and denied, and by what")
    .addOption(new Option("--effect <effect>", "with this effect").choices(Object.keys(EFFECTS)))
    .option("--decision-id <id>", "the one that a refusal named")
    .action(
      acting(context, async (session, options: DecisionsOptions) => {
        const { listDecisions } = session.operator(History);
        const rows = await rowsOf(
          session,
          options,
          (page) =>
            listDecisions({
              filter: { ...filterOf(options), ...page },
              decisionId: options.decisionId ?? "",
              ...(options.effect === undefined ? {} : { effect: EFFECTS[options.effect] }),
            }),
          (page) => page.decisions,
        );
        await session.print.rows(decisionView, rows);
      }),
    );

  list("exchanges", "secrets of other systems: which step's, and what became of them")
    .option("--target <name>", "of this other system, as the broker's configuration names it")
    .option("--alive", "of which something may be alive")
    .action(
      acting(context, async (session, options: ExchangesOptions) => {
        const { listExchanges } = session.operator(History);
        const { target = "", alive = false } = options;
        const rows = await rowsOf(
          session,
          options,
          (page) => listExchanges({ filter: { ...filterOf(options), ...page }, target, alive }),
          (page) => page.exchanges,
        );
        await session.print.rows(exchangeView, rows);
      }),
    );

  list("usage", "calls of tools, as their servers have reported them").action(
    acting(context, async (session, options: FilterOptions) => {
      if (options.since !== undefined || options.until !== undefined) {
        throw usageFailure("--since and --until are not for usage, which is counted as a whole");
      }
      const { listUsage } = session.operator(History);
      const rows = await rowsOf(
        session,
        options,
        (page) => listUsage({ filter: { ...filterOf(options), ...page } }),
        (page) => page.usage,
      );
      await session.print.rows(usageView, rows);
    }),
  );

  list("events", "the ledger itself")
    .addOption(new Option("--type <type>", "of this type").choices(EVENT_TYPES))
    .option("--follow", "go on with each event as it is recorded")
    .option("--after <sequence>", "with --follow: begin behind this sequence, 0 for the first event", countFlag)
    .action(
      acting(context, async (session, options: EventsOptions) => {
        const history = session.operator(History);
        if (options.follow === true) {
          await session.print.stream(eventView, followed(history, options));
          return;
        }
        if (options.after !== undefined) throw usageFailure("--after goes with --follow");
        const rows = await rowsOf(
          session,
          options,
          (page) => history.listEvents({ filter: { ...filterOf(options), ...page }, type: options.type ?? "" }),
          (page) => page.events,
        );
        await session.print.rows(eventView, rows);
      }),
    );

  addExport(history, context, (command) => addConditions(command, context));
}

function addFilter(command: Command, context: Context): Command {
  return addPaging(addConditions(command, context));
}

function addConditions(command: Command, context: Context): Command {
  const instant = (text: string) => instantFlag(text, context.now());
  return (
    command
      .option("--run <run>", "of this run")
      .option("--step <step>", "of this step, all attempts")
      // A variable of its own: STINT_STEP_ID is set for every command that runs as a step, and would hide all others.
      .addOption(new Option("--step-id <id>", "of this step").env("STINT_HISTORY_STEP_ID"))
      .option("--agent <agent>", "of this agent")
      .option("--since <instant>", "not before: 2026-01-31T12:00:00Z, or a time ago such as 15m", instant)
      .option("--until <instant>", "before", instant)
  );
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

/** The filter that the list RPCs have in common, made of the flags. */
function filterOf(options: FilterOptions) {
  const instant = (ms: number) => timestampOfMicros((ms * 1_000) as UnixMicros);
  return {
    runId: options.run ?? "",
    step: options.step ?? "",
    stepId: options.stepId ?? "",
    agent: options.agent ?? "",
    ...(options.since === undefined ? {} : { since: instant(options.since) }),
    ...(options.until === undefined ? {} : { until: instant(options.until) }),
  };
}

/** Events as they come. The stream has no filters but `--type` and `--after`, so any other is refused, not ignored. */
async function* followed(history: ClientOf<typeof History>, options: EventsOptions): AsyncGenerator<Event, void, void> {
  const unserved = (["run", "step", "stepId", "agent", "since", "until", "pageToken"] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (unserved.length > 0) throw usageFailure("--follow takes --type and --after only");
  const request = options.after === undefined ? {} : { afterSequence: BigInt(options.after) };
  for await (const { event } of history.tailEvents(request)) {
    if (event !== undefined && (options.type === undefined || event.type === options.type)) yield event;
  }
}
