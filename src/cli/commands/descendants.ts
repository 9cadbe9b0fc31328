import { type Command, InvalidArgumentError, Option } from "commander";
import { processFrom } from "../../domain/process.ts";
import { REVOCATION_REASONS } from "../../domain/revocation.ts";
import type { UnixMicros } from "../../domain/time.ts";
import {
  type DescendantsSummary,
  History,
  type TellDescendantsRequest,
  type TellDescendantsResponse,
} from "../../gen/stint/v1/history_pb.js";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { instantFlag } from "../flags.ts";
import { descendantsSummaryView, descendantView, reachView } from "../output/descendants-view.ts";
import { exchangeView } from "../output/exchange-view.ts";
import { instantCell } from "../output/fields.ts";
import { issuanceView } from "../output/issuance-view.ts";
import { stepView } from "../output/step-view.ts";
import { acting, type Session } from "../session.ts";

type Cause = NonNullable<Parameters<ClientOf<typeof History>["tellDescendants"]>[0]["cause"]>;
type CauseCase = Exclude<TellDescendantsRequest["cause"]["case"], undefined>;

const CAUSES = {
  step: "stepId",
  run: "runId",
  entry: "entry",
  process: "process",
  principal: "principalId",
  decision: "decisionId",
  key: "key",
} as const satisfies Record<string, CauseCase>;

type DescendantsOptions = {
  readonly [Flag in Exclude<keyof typeof CAUSES, "process">]?: string;
} & {
  readonly process?: Extract<Cause, { case: "process" }>["value"];
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  readonly revoke?: boolean;
  readonly dryRun?: boolean;
  readonly reason?: string;
};

export function addDescendants(descendants: Command, context: Context): void {
  const instant = (text: string) => instantFlag(text, context.now());
  descendants
    .addOption(cause("--step <id>", "this step, and what was delegated from it"))
    .addOption(cause("--run <run>", "every step of this run"))
    .addOption(cause("--entry <kind/name>", "every step that it opened or executed, and what it was issued itself"))
    .addOption(
      cause(
        "--process <process>",
        "every step that it opened or executed: a live pid, or as history shows it",
      ).argParser(processFlag),
    )
    .addOption(cause("--principal <id>", "every step that works for it, by its id in the ledger"))
    .addOption(cause("--decision <id>", "the step that it allowed"))
    .addOption(cause("--key <sha256>", "every step with a credential for this public key: of its SubjectPublicKeyInfo"))
    .option("--since <instant>", "steps opened not before, and what descends from them", instant)
    .option("--until <instant>", "steps opened before", instant)
    .option("--revoke", "end all of it that is open, in one transaction")
    .option("--dry-run", "with --revoke: tell the same, and do nothing")
    .addOption(
      new Option("--reason <reason>", "with --revoke: recorded, and told to verifiers").choices(REVOCATION_REASONS),
    )
    .action(
      acting(context, async (session, options: DescendantsOptions) => {
        checkTogether(options);
        const named = causeOf(options);
        const ends = options.revoke === true && options.dryRun !== true;
        const ended = ends ? await revoke(session, named, options) : undefined;
        const summary = await tell(session, named, options);
        if (summary !== undefined) session.note(sentenceOf(summary));
        if (ended !== undefined) session.note(ended);
        if (options.dryRun === true)
          session.note(`--revoke would close ${counted(summary?.stepsOpen ?? 0, "step")}; nothing was done`);
      }),
    );
}

/** A variable of its own, since STINT_STEP and others are set for every command that runs as a step. */
function cause(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(`STINT_DESCENDANTS_${option.name().toUpperCase()}`);
}

function processFlag(text: string) {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return { pid: Number(text) };
  try {
    const { startTimeTicks, ...process } = processFrom(text);
    return { ...process, startTimeTicks: BigInt(startTimeTicks) };
  } catch {
    throw new InvalidArgumentError(
      "Expected a pid, or boot id, PID namespace, pid and start time with slashes between.",
    );
  }
}

function checkTogether({ revoke, dryRun, reason, since, until }: DescendantsOptions): void {
  if (dryRun === true && revoke !== true) throw usageFailure("--dry-run goes with --revoke");
  if (reason !== undefined && revoke !== true) throw usageFailure("--reason goes with --revoke");
  if (revoke === true && (since !== undefined || until !== undefined)) {
    throw usageFailure("--revoke ends all that is open, whenever it was opened");
  }
}

/** @throws Failure unless exactly one cause is named */
function causeOf(options: DescendantsOptions): Cause {
  const named = (Object.keys(CAUSES) as (keyof typeof CAUSES)[]).flatMap((flag): Cause[] => {
    const value = options[flag];
    return value === undefined ? [] : [{ case: CAUSES[flag], value } as Cause];
  });
  const [one] = named;
  if (one === undefined || named.length > 1) {
    throw usageFailure(
      "one of --step, --run, --entry, --process, --principal, --decision, --key says from what to go on",
    );
  }
  return one;
}

/** Ends what is open. Only then it is told, so that what is shown is how it ended. */
async function revoke({ operator }: Session, target: Cause, { reason = "" }: DescendantsOptions): Promise<string> {
  const { stepsClosedCount, credentialsRevokedCount, sequence } = await operator(Revocations).revoke({
    // What is told and what is ended is named by the same members.
    target: target as NonNullable<Parameters<ClientOf<typeof Revocations>["revoke"]>[0]["target"]>,
    reason,
  });
  const steps = counted(stepsClosedCount, "step");
  return `closed ${steps} and revoked ${counted(credentialsRevokedCount, "credential")}; sequence ${sequence}`;
}

async function tell(
  session: Session,
  named: Cause,
  { since, until }: DescendantsOptions,
): Promise<DescendantsSummary | undefined> {
  const instant = (name: string, ms: number | undefined) =>
    ms === undefined ? {} : { [name]: timestampOfMicros((ms * 1_000) as UnixMicros) };
  const request = { cause: named, ...instant("since", since), ...instant("until", until) };
  const told = session.operator(History).tellDescendants(request);
  const all: TellDescendantsResponse[] = [];
  if (session.globals.output === "table") {
    for await (const one of told) all.push(one);
    await printTables(session, all);
  } else {
    await session.print.stream(descendantView, kept(told, all));
  }
  const last = all.at(-1)?.told;
  return last?.case === "summary" ? last.value : undefined;
}

/** Passes on what is told, and keeps the last of it. */
async function* kept(told: AsyncIterable<TellDescendantsResponse>, all: TellDescendantsResponse[]) {
  for await (const one of told) {
    all[0] = one;
    yield one;
  }
}

async function printTables({ print }: Session, all: readonly TellDescendantsResponse[]): Promise<void> {
  const steps = all.flatMap(({ told }) => (told.case === "step" ? [told.value] : []));
  const issuances = all.flatMap(({ told }) => (told.case === "issuance" ? [told.value] : []));
  const exchanges = all.flatMap(({ told }) => (told.case === "exchange" ? [told.value] : []));
  const reaches = all.flatMap(({ told }) => (told.case === "reach" ? [told.value] : []));
  const summaries = all.flatMap(({ told }) => (told.case === "summary" ? [told.value] : []));
  if (steps.length > 0) await print.rows(stepView, steps);
  if (issuances.length > 0) await print.rows(issuanceView, issuances);
  if (exchanges.length > 0) await print.rows(exchangeView, exchanges);
  if (reaches.length > 0) await print.rows(reachView, reaches);
  for (const summary of summaries) await print.one(descendantsSummaryView, summary);
}

function sentenceOf({ credentialsLive, exchangesAlive, lastDiesAt }: DescendantsSummary): string {
  const last = lastDiesAt === undefined ? "no credential was ever delivered" : instantCell(lastDiesAt);
  if (credentialsLive > 0) return `${counted(credentialsLive, "credential")} live, the last until ${last}`;
  const secrets = exchangesAlive > 0 ? `; ${counted(exchangesAlive, "secret")} of other systems may be alive` : "";
  return lastDiesAt === undefined
    ? `${last}${secrets}`
    : `nothing is live; the last credential died at ${last}${secrets}`;
}

function counted(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
