import { createInterface } from "node:readline/promises";
import { type Command, Option } from "commander";
import { Policies, type PolicyFlip } from "../../gen/stint/v1/policies_pb.js";
import type { Context } from "../context.ts";
import { EXIT, ExitStatus, Failure, usageFailure } from "../failure.ts";
import { countFlag, instantFlag } from "../flags.ts";
import { flipCountView, flipView } from "../output/flip-view.ts";
import { changeView, policyRowView, policySetView, policyStatusView } from "../output/policy-set-view.ts";
import { findingView, formatFinding } from "../output/policy-view.ts";
import { formatTable } from "../output/table.ts";
import { recordOf, type View } from "../output/view.ts";
import { filePartsOf } from "../policy/file-parts.ts";
import { checkBaselineAlone, somePolicyFilesIn } from "../policy/policy-files-in.ts";
import { runReplay } from "../policy/run-replay.ts";
import { differenceOfSets } from "../policy/set-difference.ts";
import { readSet, type WholeSet } from "../policy/whole-set.ts";
import { acting, type Session } from "../session.ts";
import { summaryOf } from "./policy-replay.ts";

const VERSION = "as list has it";
/** Decisions that are shown of those that would be others; `policy replay` lists all. */
const FLIPS_SHOWN = 20;

type ActivateOptions = {
  readonly reason: string;
  readonly since: number;
  readonly yes?: boolean;
  readonly none?: boolean;
};

/** The policies that a broker has, as opposed to those in files at hand. */
export function addPolicySets(policy: Command, context: Context): void {
  policy
    .command("put")
    .description("record the policies of a directory under the next version; they decide nothing until activated")
    .argument("[directory]", "with *.cedar; none: the baseline alone")
    .addOption(new Option("--baseline", "together with the policies that come with the broker").default(true))
    .addOption(new Option("--no-baseline", "without them"))
    .action(acting(context, put));

  policy
    .command("list")
    .description("the versions that the broker has")
    .action(
      acting(context, async (session) => {
        const { sets } = await session.operator(Policies).list({});
        await session.print.rows(policySetView, sets);
      }),
    );

  policy
    .command("show")
    .description("a version with its policies, or the text of one of them")
    .argument("<version>", VERSION, countFlag)
    .argument("[policy]", "its id")
    .action(acting(context, (session, _options: object, version: number, id?: string) => show(session, version, id)));

  policy
    .command("diff")
    .description("policies and classes of data that one version has and another has not, or has otherwise")
    .argument("<before>", `${VERSION}; 0: none`, countFlag)
    .argument("<after>", `${VERSION}; 0: none`, countFlag)
    .action(
      acting(context, async (session, _options: object, before: number, after: number) => {
        const policies = session.operator(Policies);
        const [was, is] = [await readSet(policies, before), await readSet(policies, after)];
        await session.print.rows(changeView, differenceOfSets(was, is));
      }),
    );

  policy
    .command("status")
    .description("which version is in force, since when and why, and which one the configuration declares")
    .action(
      acting(context, async (session) => {
        const { activation, declaredVersion } = await session.operator(Policies).list({});
        await session.print.one(policyStatusView, { activation, declaredVersion });
      }),
    );

  policy
    .command("activate")
    .description("put a version in force, or an older one again; shows first what would change, and asks")
    .argument("<version>", `${VERSION}; 0: none, with --none`, countFlag)
    .requiredOption("--reason <text>", "recorded")
    .option("--none", "with version 0: the ceilings alone decide from then on")
    .addOption(
      new Option("--since <instant>", "from when on decisions are looked at for what would change")
        .env("STINT_POLICY_SINCE")
        .argParser((text) => instantFlag(text, context.now()))
        .default(instantFlag("7d", context.now()), "7d"),
    )
    // A variable of its own, and not STINT_YES: whoever answers for this must mean it.
    .addOption(new Option("--yes", "do not ask").env("STINT_POLICY_YES"))
    .action(
      acting(context, (session, options: ActivateOptions, version: number) => activate(session, version, options)),
    );
}

async function put(session: Session, { baseline }: { readonly baseline: boolean }, directory?: string): Promise<void> {
  if (directory === undefined) checkBaselineAlone(baseline);
  const parts =
    directory === undefined
      ? [{ baseline }]
      : await filePartsOf(directory, somePolicyFilesIn(directory, "give no directory"), baseline);
  const { set, findings } = await session.operator(Policies).put(parts);
  if (set !== undefined) return session.print.one(policySetView, set);
  if (session.globals.output === "table") session.context.out.write(findings.map(formatFinding).join(""));
  else await session.print.rows(findingView, findings);
  throw new ExitStatus(EXIT.refused);
}

async function show(session: Session, version: number, id: string | undefined): Promise<void> {
  const whole = await readSet(session.operator(Policies), version);
  const { set, policies } = whole;
  if (set === undefined) throw new Failure("version 0: no policies", EXIT.refused);
  if (id !== undefined) {
    const policy = policies.find(({ policyId }) => policyId === id);
    if (policy === undefined) throw new Failure("no policy of this id is in that version", EXIT.refused);
    if (session.globals.output !== "table") return session.print.one(policyRowView, policy);
    session.note(`${policy.file}:${policy.line}`);
    session.context.out.write(`${policy.text.trim()}\n`);
    return;
  }
  if (session.globals.output !== "table") return session.print.one(wholeView, whole);
  await session.print.one(policySetView, set);
  session.context.out.write("\n");
  await session.print.rows(policyRowView, policies);
}

const wholeView: View<WholeSet> = {
  fields: [
    ["set", ({ set }) => (set === undefined ? null : recordOf(policySetView, set))],
    ["ratchet", ({ ratchet }) => ratchet],
    [
      "data_classes",
      ({ dataClasses }) =>
        dataClasses.map(({ name, sensitivity, securityDomain }) => ({
          name,
          sensitivity,
          security_domain: securityDomain,
        })),
    ],
    ["policies", ({ policies }) => policies.map((one) => recordOf(policyRowView, one))],
  ],
  columns: [],
};

async function activate(
  session: Session,
  version: number,
  { reason, since, yes = false, none = false }: ActivateOptions,
): Promise<void> {
  if (version === 0 && !none) throw usageFailure("version 0 puts no policies in force, and needs --none");
  if (version !== 0 && none) throw usageFailure("--none goes with version 0");
  await preview(session, version, since);
  if (!yes) await confirm(session.context, `put version ${version} in force?`);
  const { changed } = await session.operator(Policies).activate({ version, reason, none });
  session.note(changed ? `version ${version} is in force` : `version ${version} was in force already`);
}

/** On standard error, since it is no data: which decisions would be others, and which open steps would end. */
async function preview(session: Session, version: number, since: number): Promise<void> {
  const policies = session.operator(Policies);
  const { stepsClosed } = await policies.activate({ version, dryRun: true });
  const flips: PolicyFlip[] = [];
  const replayed = await runReplay(session, policies, { candidate: { version }, since }, async (flip) => {
    if (flips.length < FLIPS_SHOWN) flips.push(flip);
  });
  const plain = <Row>(_column: Row, _row: unknown, text: string) => text;
  if (flips.length > 0) {
    session.context.err.write(`${formatTable(flipView.columns, flips, plain)}\n`);
    session.context.err.write(`${formatTable(flipCountView.columns, replayed.counts, plain)}\n`);
  }
  if (replayed.flips > flips.length)
    session.note(`shown: ${flips.length} of ${replayed.flips}; policy replay lists all`);
  session.note(summaryOf(replayed));
  session.note(`open steps that it does not permit, and that end: ${stepsClosed}`);
}

/** @throws Failure where the answer is not yes, or nobody can be asked */
async function confirm({ input, err }: Context, question: string): Promise<void> {
  const terminal: typeof input & { readonly isTTY?: boolean } = input;
  if (terminal.isTTY !== true) throw usageFailure("--yes: needed where nobody can be asked");
  const asking = createInterface({ input, output: err });
  try {
    const answer = await asking.question(`stint: ${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure("not done", EXIT.refused);
  } finally {
    asking.close();
  }
}
