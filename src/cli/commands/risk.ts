import { type Command, Option } from "commander";
import { RISK_LEVELS, type RiskLevel } from "../../domain/risk.ts";
import { Risk } from "../../gen/stint/v1/risk_pb.js";
import type { RiskSetResponse } from "../../sdk/operator/index.ts";
import { riskLevelMessageOf } from "../../wire/risk-message.ts";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import type { Context } from "../context.ts";
import { durationFlag } from "../flags.ts";
import { instantCell } from "../output/fields.ts";
import { riskView } from "../output/risk-view.ts";
import type { View } from "../output/view.ts";
import { acting, type Session } from "../session.ts";

/** Ten thousand steps are judged in less. */
const WAIT_SECONDS = 10;
const SCOPE = "domain, agent:<name> or run:<run>";

type SetOptions = {
  readonly scope: string;
  readonly level: RiskLevel;
  readonly ttl?: number;
  readonly reason: string;
  readonly unknownRun?: boolean;
  readonly wait: boolean;
};

export function addRisk(risk: Command, context: Context): void {
  waiting(risk.command("set"))
    .description("set it anew, until it lapses; what policy then no longer permits is closed")
    .requiredOption("--scope <scope>", SCOPE)
    .addOption(new Option("--level <level>", "how much").choices(RISK_LEVELS).makeOptionMandatory())
    .requiredOption("--reason <reason>", "why; recorded")
    .option("--ttl <time>", "how long it lasts: at most 7d; absent: 1h", durationFlag)
    .option("--unknown-run", "also for a run of which no step was ever opened")
    .action(acting(context, set));

  risk
    .command("list")
    .description("what is above low")
    .action(
      acting(context, async (session) => {
        const { risks } = await session.operator(Risk).list({});
        await session.print.rows(riskView, risks);
      }),
    );

  waiting(risk.command("clear"))
    .description("set it to low")
    .requiredOption("--scope <scope>", SCOPE)
    .option("--reason <reason>", "why; recorded", "cleared")
    .option("--unknown-run", "also for a run of which no step was ever opened")
    .action(
      acting(context, (session, options: Omit<SetOptions, "level" | "ttl">) =>
        set(session, { ...options, level: "low" }),
      ),
    );
}

function waiting(command: Command): Command {
  return command.option("--no-wait", `do not wait, at most ${WAIT_SECONDS}s, until open steps were judged`);
}

async function set(session: Session, options: SetOptions): Promise<void> {
  const { scope, level, ttl, reason, unknownRun = false, wait } = options;
  const response = await session.operator(Risk).set(
    {
      scope,
      level: riskLevelMessageOf(level),
      reason,
      unknownRun,
      ...(ttl === undefined ? {} : { ttl: durationOfSeconds(ttl) }),
      ...(wait ? { awaitJudging: durationOfSeconds(WAIT_SECONDS) } : {}),
    },
    { deadlineMs: (session.globals.timeout + WAIT_SECONDS) * 1_000 },
  );
  await session.print.one(setView, response);
  session.note(sentenceOf(response, wait));
}

const setView: View<RiskSetResponse> = {
  fields: [
    ...riskView.fields.map(
      ([name, value]) => [name, ({ risk }: RiskSetResponse) => (risk === undefined ? undefined : value(risk))] as const,
    ),
    ["steps_judged", ({ stepsJudged }) => stepsJudged],
    ["steps_closed", ({ stepsClosed }) => stepsClosed],
    ["judging_done", ({ judgingDone }) => judgingDone],
  ],
  columns: [],
};

function sentenceOf({ risk, stepsJudged, stepsClosed, judgingDone }: RiskSetResponse, waited: boolean): string {
  const until =
    risk?.level === riskLevelMessageOf("low") ? "low from now on" : `in force until ${instantCell(risk?.expiresAt)}`;
  if (!waited) return `${until}; open steps are judged in the background`;
  const judged = `open steps judged: ${stepsJudged}, closed: ${stepsClosed}`;
  return judgingDone
    ? `${until}; ${judged}`
    : `${until}; ${judged} so far; the others wait and get no credentials until they were`;
}
