import { type Command, Option } from "commander";
import type { UnixMicros } from "../../domain/time.ts";
import { Policies, type PolicyFlip, type PolicySuggestion } from "../../gen/stint/v1/policies_pb.js";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import type { Context } from "../context.ts";
import { EXIT, ExitStatus, usageFailure } from "../failure.ts";
import { countFlag, instantFlag } from "../flags.ts";
import { grantField } from "../output/fields.ts";
import { flipCountView, flipView } from "../output/flip-view.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import { recordOf, type View } from "../output/view.ts";
import { filePartsOf } from "../policy/file-parts.ts";
import { somePolicyFilesIn } from "../policy/policy-files-in.ts";
import { type Replayed, runReplay } from "../policy/run-replay.ts";
import { acting, type Session } from "../session.ts";

const SINCE = "7d";
const SUGGEST_SINCE = "30d";
/** Kept in memory to be shown together; all of them are counted. */
const FLIPS_SHOWN_DEFAULT = 1_000;
const BASELINE_ALONE = "record it (stint policy put) and give its version (--policy-version)";

type ReplayOptions = {
  readonly policies?: string;
  readonly version?: number;
  readonly baseline: boolean;
  readonly since: number;
  readonly agent?: string;
  readonly limit: number;
  readonly failOnFlips?: boolean;
};
type SuggestOptions = { readonly agent: string; readonly since: number };

export function addPolicyReplay(policy: Command, context: Context): void {
  const since = (text: string) => instantFlag(text, context.now());
  policy
    .command("replay")
    .description("what was decided, decided once more under other policies: which decisions would be others?")
    .option("--policies <directory>", "the policies: *.cedar in it")
    .option("--policy-version <version>", "a version that the broker has, instead of a directory; 0: none", countFlag)
    .addOption(new Option("--baseline", "together with the policies that come with the broker").default(true))
    .addOption(new Option("--no-baseline", "without them"))
    .addOption(sinceOption(since, SINCE, context))
    .addOption(new Option("--agent <agent>", "of this agent alone").env("STINT_POLICY_AGENT"))
    .option("--limit <count>", "flips to list at most; all are counted", countFlag, FLIPS_SHOWN_DEFAULT)
    .option("--fail-on-flips", "exit with 1 when a decision would be another")
    .action(
      acting(context, async (session, options: ReplayOptions & { readonly policyVersion?: number }) => {
        const replayed = await replayAndPrint(session, { ...options, ...versionOf(options.policyVersion) });
        session.note(summaryOf(replayed));
        if (options.failOnFlips === true && replayed.flips > 0) throw new ExitStatus(EXIT.refused);
      }),
    );

  policy
    .command("suggest")
    .description("the narrowest ceiling and policies that would have allowed what an agent was granted, and used")
    .addOption(new Option("--agent <agent>", "whose").makeOptionMandatory().env("STINT_POLICY_AGENT"))
    .addOption(sinceOption(since, SUGGEST_SINCE, context))
    .action(acting(context, suggestAndPrint));
}

/** A variable of its own: what is asked of a history otherwise is no wish about this. */
function sinceOption(since: (text: string) => number, text: string, { now }: Context): Option {
  return new Option("--since <instant>", "not before: 2026-01-31T12:00:00Z, or a time ago such as 7d")
    .env("STINT_POLICY_SINCE")
    .argParser(since)
    .default(instantFlag(text, now()), text);
}

function versionOf(version: number | undefined): { readonly version?: number } {
  return version === undefined ? {} : { version };
}

async function replayAndPrint(session: Session, options: ReplayOptions): Promise<Replayed> {
  const { policies, version, baseline, since, agent, limit } = options;
  if ((policies === undefined) === (version === undefined)) {
    throw usageFailure("one of --policies and --policy-version says under which policies");
  }
  const candidate =
    policies === undefined
      ? { version: version ?? 0 }
      : await filePartsOf(policies, somePolicyFilesIn(policies, BASELINE_ALONE), baseline);
  const { output } = session.globals;
  const isStreamed = output === "jsonl" || output === "csv";
  const flips: PolicyFlip[] = [];
  const onFlip = async (flip: PolicyFlip) => {
    if (flips.length < limit) flips.push(flip);
  };
  const replayed = await runReplay(session, session.operator(Policies), { candidate, since, agent }, onFlip);
  if (isStreamed) await session.print.rows(flipView, flips);
  else if (output === "json") await session.print.one(replayView(flips), replayed);
  else await printTables(session, replayed, flips);
  if (replayed.flips > flips.length) session.note(`listed: ${flips.length} of ${replayed.flips}; --limit lists more`);
  return replayed;
}

async function printTables(
  { print, context }: Session,
  { counts }: Replayed,
  flips: readonly PolicyFlip[],
): Promise<void> {
  if (flips.length === 0) return;
  await print.rows(flipView, flips);
  context.out.write("\n");
  await print.rows(flipCountView, counts);
}

function replayView(flips: readonly PolicyFlip[]): View<Replayed> {
  return {
    fields: [
      ["decisions", ({ decisions }) => decisions],
      ["skipped", ({ skipped }) => skipped],
      ["flips_count", ({ flips: count }) => count],
      ["flips", () => flips.map((flip) => recordOf(flipView, flip))],
      ["counts", ({ counts }) => counts.map((one) => recordOf(flipCountView, one))],
    ],
    columns: [],
  };
}

/** What a replay came to, in a sentence. */
export function summaryOf({ decisions, skipped, flips }: Replayed): string {
  const left = skipped === 0 ? "" : `; not decided again, since no policy was or could be asked: ${skipped}`;
  return `decisions: ${decisions}, of which would be others: ${flips}${left}`;
}

async function suggestAndPrint(session: Session, { agent, since }: SuggestOptions): Promise<void> {
  const bar = createProgressBar(session.context.err);
  let suggestion: PolicySuggestion | undefined;
  try {
    const asked = { agent, since: timestampOfMicros((since * 1_000) as UnixMicros) };
    for await (const { message } of session.operator(Policies).suggest(asked)) {
      if (message.case === "suggestion") suggestion = message.value;
      else if (message.case === "progress") bar.show(undefined, `${message.value.decisions} decisions`);
    }
  } finally {
    bar.clear();
  }
  if (suggestion === undefined) return;
  if (session.globals.output === "table") session.context.out.write(textOf(suggestion));
  else await session.print.one(suggestionView, suggestion);
  session.note(`decisions: ${suggestion.decisions}; of which would be denied under these alone: ${suggestion.denied}`);
}

/** Cedar as it is, with the ceiling in front of it as the entry would have it. */
function textOf({ ceiling, policies }: PolicySuggestion): string {
  const elements = (ceiling?.elements ?? []).map((one) => `//   - ${JSON.stringify(elementOf(one))}`);
  const head = elements.length === 0 ? [] : ["// ceiling:", ...elements];
  return `${head.join("\n")}\n\n${policies}`;
}

function elementOf({
  type,
  locations,
  identifier,
  actions,
  datatypes,
}: NonNullable<PolicySuggestion["ceiling"]>["elements"][number]) {
  return { type, locations, identifier, actions, datatypes };
}

const suggestionView: View<PolicySuggestion> = {
  fields: [
    ["decisions", ({ decisions }) => Number(decisions)],
    ["denied", ({ denied }) => Number(denied)],
    ["ceiling", ({ ceiling }) => grantField(ceiling)],
    ["policies", ({ policies }) => policies],
    ["unused", ({ unused }) => grantField(unused)],
  ],
  columns: [],
};
