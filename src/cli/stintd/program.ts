import { type Command, InvalidArgumentError } from "commander";
import type { ThreadsAhead } from "../../main/threads-ahead.ts";
import {
  moveLedger,
  type Promoted,
  promoteStandby,
  rebuildLedger,
  runDaemon,
  runStandby,
  type Validated,
  validateConfig,
} from "../../main.ts";
import { EXIT, ExitStatus, Failure } from "../failure.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import { readVersion } from "../output/version.ts";
import { createProgram, runProgram } from "../run-program.ts";
import { systemContext } from "../system-context.ts";
import { onHangup } from "./hangups.ts";

type Settings = Readonly<Record<string, string>>;
type Options = { readonly config: string; readonly set?: Settings };

const CONFIG_DEFAULT = "/etc/stint/stint.yaml";
const context = systemContext();
let threads: ThreadsAhead | undefined;

const program = createProgram("stintd", context)
  .description("the broker")
  .version(readVersion(), "--version", "the version");

addSettings(
  program.command("run").description("serve until SIGTERM or SIGINT; SIGHUP reads configuration and files again"),
).action(async (options: Options) => {
  await attended((isAttended) => runDaemon({ ...requestOf(options), isAttended, onHangup, ahead: threads }));
});

addSettings(
  program
    .command("standby")
    .description(
      "keep a copy of another broker's ledger, and follow it until SIGTERM or SIGINT: see standby in the configuration",
    ),
).action((options: Options) => attended((isAttended) => runStandby({ ...requestOf(options), isAttended })));

addSettings(
  program
    .command("promote")
    .description("make a broker's data directory of a standby's, while the standby does not run: its primary is gone")
    .option("--while-primary-answers", "also where somebody listens at the primary's address"),
).action(async (options: Options & { readonly whilePrimaryAnswers?: true }) => {
  const whilePrimaryAnswers = options.whilePrimaryAnswers === true;
  context.out.write(describePromoted(await orFail(promoteStandby({ ...requestOf(options), whilePrimaryAnswers }))));
});

addSettings(
  program
    .command("validate")
    .description("what is wrong with the configuration, and what running with it would change"),
).action(async (options: Options) => {
  const { warnings, ledger, due } = await orFail(validateConfig(requestOf(options)));
  for (const { place, key, message } of warnings) {
    const where = place === undefined ? "" : `${place}: `;
    context.err.write(`stintd: warning: ${where}${key}: ${message}\n`);
  }
  context.out.write([describe(ledger), ...due.flatMap(describeDue)].map((line) => `${line}\n`).join(""));
});

addSettings(
  program
    .command("rebuild")
    .description("write the ledger's tables anew from its events, while no daemon runs: where a table is damaged"),
).action(async (options: Options) => {
  const bar = createProgressBar(context.err);
  try {
    const progress = (done: number, total: number) => bar.show(done / Math.max(1, total), `${done} of ${total} events`);
    const events = await orFail(rebuildLedger(requestOf(options), progress));
    bar.clear();
    context.out.write(`rebuilt from ${events} events\n`);
  } finally {
    bar.clear();
  }
});

addSettings(
  program
    .command("migrate")
    .description(
      "move the ledger of the data directory to ledger.postgres, while no daemon runs, and prove that it is the same",
    ),
).action(async (options: Options) => {
  const bar = createProgressBar(context.err);
  try {
    const { events, rootHash } = await orFail(
      moveLedger(requestOf(options), ({ stage, done, total }) =>
        bar.show(done / Math.max(1, total), `${stage}: ${done} of ${total} events`),
      ),
    );
    bar.clear();
    context.out.write(
      `moved ${events} events; their tree, read back and hashed there, has the root ${rootHash}, which is the ledger's\n` +
        "the ledger in the data directory is sealed: no broker starts on it any more\n",
    );
  } finally {
    bar.clear();
  }
});

/**
 * @param ahead - for a daemon, if one is to be run: threads that load already.
 * @returns the exit status.
 */
export function runStintd(ahead: ThreadsAhead | undefined): Promise<number> {
  threads = ahead;
  return runProgram(program, process.argv.slice(2), context);
}

function addSettings(command: Command): Command {
  return command
    .option("--config <file>", "the configuration", CONFIG_DEFAULT)
    .option(
      "--set <key=value>",
      "a setting by its key in the file, e.g. log.level=debug; may be repeated",
      settingFlag,
    );
}

function settingFlag(text: string, before: Settings | undefined): Settings {
  const [, key, value] = /^([a-z0-9_.]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError("Expected key=value.");
  return { ...before, [key]: value };
}

function requestOf(options: Options): Parameters<typeof validateConfig>[0] {
  return { configPath: options.config, environment: process.env, flags: options.set ?? {} };
}

/** A person is told in a sentence; the log of a daemon is JSON from its first line to its last. */
async function attended(run: (isAttended: boolean) => Promise<void>): Promise<void> {
  const isAttended = process.stderr.isTTY;
  await run(isAttended).catch((thrown: unknown) => {
    throw isAttended ? failureToStart(thrown) : new ExitStatus(EXIT.refused);
  });
}

function failureToStart(thrown: unknown): Failure {
  return new Failure(thrown instanceof Error ? thrown.message : String(thrown), EXIT.refused, { cause: thrown });
}

/** The message alone says why a daemon does not start: it names the file and line, or the path, that has to change. */
async function orFail<T>(outcome: Promise<T>): Promise<T> {
  try {
    return await outcome;
  } catch (thrown) {
    throw failureToStart(thrown);
  }
}

function describePromoted({ of, heard, head }: Promoted): string {
  const missing = heard === undefined ? 0 : Math.max(0, heard.newest - head.sequence);
  const behind = missing === 0 ? "all of which are here" : `of which ${missing} are missing here`;
  const last =
    heard === undefined
      ? `${of} was never heard`
      : `${of} was heard last at ${new Date(heard.at / 1_000).toISOString()}, and had ${heard.newest} events, ${behind}; ` +
        "what it recorded after that is lost";
  return (
    `promoted: the ledger ends at event ${head.sequence} of ${head.epoch}\n${last}\n` +
    "a broker that starts on it issues nothing until it is accepted: stint ledger accept-restore --reason …\n"
  );
}

/** Of a class of which nothing is due there is nothing to say. */
function describeDue({ class: name, events, bytes }: Validated["due"][number]): readonly string[] {
  if (events === 0) return [];
  const mib = (bytes / 1024 / 1024).toFixed(1);
  return [`would prune at most ${events} events of ${name}, ${mib} MiB: not what is alive or held`];
}

function describe(difference: Validated["ledger"]): string {
  if (difference === "none") return "valid; there is no database yet";
  if (difference === "older") {
    return "valid; the ledger is an older version's: running upgrades it first, and that version does not start on it any more";
  }
  const name = ({ kind, name: own }: { readonly kind: string; readonly name: string }) => `${kind}/${own}`;
  const lines = [
    ...difference.created.map((content) => `would create ${name(content)}`),
    ...difference.updated.map(({ content }) => `would update ${name(content)}`),
    ...difference.removed.map(({ content }) => `would remove ${name(content)}, closing its steps`),
    ...difference.conflicting.map(({ content }) => `conflict: ${name(content)} was made by API and is left alone`),
  ];
  return ["valid", ...(lines.length === 0 ? ["would change nothing"] : lines)].join("\n");
}
