import { accessSync, constants, existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { ConfigError } from "../../config/finding.ts";
import { loadConfig } from "../../config/load-config.ts";
import { readLocalAccounts } from "../../config/local-accounts.ts";
import { BrokerError } from "../../domain/errors.ts";
import { type LocalAccounts, withAccounts } from "../../domain/local-accounts.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import type { OutputFormat } from "../output/output-formats.ts";
import { createPrinter } from "../output/printer.ts";
import type { View } from "../output/view.ts";
import { writeWhole } from "../write-whole.ts";
import { createAsking, mistakeOf } from "./ask.ts";
import { configText } from "./config-text.ts";
import { makePlan, type Plan, type Unasked } from "./plan.ts";
import { nextCommands, setupCommands } from "./setup-commands.ts";

export type InitRequest = {
  readonly file: string;
  readonly unasked: Unasked;
  readonly given: Parameters<typeof makePlan>[1];
  readonly takesUsual: boolean;
  readonly replaces: boolean;
  readonly output: OutputFormat;
};

/** Nothing in it is secret, and the daemon's user has to read it; nobody but its owner may change who is what. */
const CONFIG_MODE = 0o644;

type Made = {
  readonly file: string;
  readonly setup: readonly string[];
  readonly next: ReturnType<typeof nextCommands>;
};

const madeView: View<Made> = {
  fields: [
    ["config_file", ({ file }) => file],
    ["setup_commands", ({ setup }) => setup],
    ["next_commands", ({ next }) => next.map(([command]) => command)],
  ],
  columns: [],
};

/**
 * Asks, writes the configuration, and says what root has to do for it. Nothing else on the machine is changed.
 *
 * @throws Failure; nothing is written then
 */
export async function runInit(request: InitRequest, context: Context): Promise<void> {
  const file = resolve(request.file);
  const taken = usageFailure(`${request.file} is there already; --force replaces it`);
  const unwritable = (thrown: unknown) =>
    usageFailure(`${request.file}: can't be written (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`);
  // Before anybody is asked anything.
  if (!request.replaces && existsSync(file)) throw taken;
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (thrown) {
    throw unwritable(thrown);
  }
  const accounts = readLocalAccounts();
  const machine = { hostName: hostname(), userName: process.env["SUDO_USER"] ?? userInfo().username };
  const asking = createAsking(context, request.takesUsual);
  let plan: Plan;
  try {
    plan = await makePlan(request.unasked, request.given, machine, asking.ask);
  } catch (thrown) {
    throw thrown instanceof BrokerError ? usageFailure(mistakeOf(thrown)) : thrown;
  } finally {
    asking.close();
  }
  const text = configText(plan);
  await checkText(text, plan, accounts);
  try {
    await writeWhole(file, text, { mode: CONFIG_MODE, replaces: request.replaces });
  } catch (thrown) {
    throw (thrown as NodeJS.ErrnoException).code === "EEXIST" ? taken : unwritable(thrown);
  }
  const setup = setupCommands(plan, file, { accounts, isThere: existsSync });
  await tell({ file, setup, next: nextCommands(plan) }, request, context);
}

/** By the daemon's own reading of it, as if every user that it names were there already. */
async function checkText(text: string, plan: Plan, accounts: LocalAccounts): Promise<void> {
  const users = [plan.daemonUser, plan.runtimeUser, ...plan.agentUsers, plan.serverUser, ...plan.operatorUsers];
  const planned = withAccounts(accounts, { users, groups: [plan.operatorGroup] });
  const daemon = planned.users.find(({ name }) => name === plan.daemonUser);
  const directory = await mkdtemp(join(tmpdir(), "stint-init-"));
  try {
    const path = join(directory, "stint.yaml");
    await writeFile(path, text, { mode: 0o600 });
    loadConfig(path, {}, { accounts: planned, user: { uid: daemon?.uid ?? 0, gids: [daemon?.gid ?? 0] } });
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const findings = thrown.findings.map(({ key, message }) => `${key}: ${message}`);
    throw new Failure(`no configuration that stintd would take; ${findings.join("; ")}`, EXIT.usage);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Commands for root go to standard output alone, so that they can be kept, read and run. */
async function tell(made: Made, { output }: InitRequest, { out, err }: Context): Promise<void> {
  if (output !== "table") return await createPrinter(output, out).one(madeView, made);
  err.write(`stint: wrote ${made.file}\n`);
  if (made.setup.length > 0) err.write("\nWhat it needs and is not there yet, as root:\n\n");
  out.write(made.setup.map((command) => `${command}\n`).join(""));
  const width = Math.max(...made.next.map(([command]) => command.length));
  err.write("\nThen:\n\n");
  for (const [command, why] of made.next) err.write(`${command.padEnd(width)}  # ${why}\n`);
}
