import { type Command, InvalidArgumentError, Option } from "commander";
import { EVENT_TYPES } from "../domain/event-types.ts";
import { HISTORY_FIELDS, type HistoryField, type HistoryList, hasField, hasLives } from "../domain/history-filter.ts";
import type { SvidKind } from "../domain/issuance.ts";
import type { UnixMicros } from "../domain/time.ts";
import { historyFieldMessageOf } from "../wire/history-message.ts";
import { timestampOfMicros } from "../wire/timestamps.ts";
import type { Context } from "./context.ts";
import { instantFlag, listFlag, serialFlag } from "./flags.ts";

/** What each field is called by its flag, and said of it in help; the name in capitals is what a value is. */
const FLAGS: Readonly<Record<HistoryField, readonly [value: string, description: string]>> = {
  run: ["run", "of this run"],
  step: ["step", "of this step, all attempts"],
  step_id: ["id", "of this step"],
  attempt: ["number", "of this attempt of a step"],
  agent: ["agent", "of this agent"],
  runtime: ["name", "of a step that this runtime opened"],
  principal: ["id", "of a step that works for this principal, by its id in the ledger"],
  workflow: ["name", "of a step of this workflow"],
  tool: ["tool", "that the grant names, or covers by *; of usage that was called"],
  action: ["action", "that the grant has; of usage that was called for"],
  data_class: ["class", "that the grant has"],
  audience: ["uri", "for this audience"],
  spiffe_id: ["id", "of this SPIFFE ID, or below it"],
  kind: ["kind", "of this kind"],
  outcome: ["outcome", "that came out so, or is so: live, revoked, completed, deny, served …"],
  reason: ["reason", "that was taken back, closed or refused for this reason"],
  decision: ["id", "of this decision"],
  policy_digest: ["sha256", "decided on by these policies"],
  policy: ["id", "determined by this policy"],
  act: ["act", "about this: open, issue, attest, administer, judge, call"],
  entry: ["id", "of this registration entry, by its id"],
  issuance: ["id", "of this issuance"],
  jti: ["jti", "with this jti"],
  serial: ["number", "with this serial number, hexadecimal"],
  authority: ["id", "signed by this authority"],
  key: ["sha256", "issued for this public key, by the SHA-256 of its SubjectPublicKeyInfo"],
  process: ["process", "opened or executed by this process: boot id, PID namespace, pid and start time, with slashes"],
  exchange: ["id", "with this id"],
  target: ["name", "of this other system, as the broker's configuration names it"],
  verifier: ["name", "reported by this verifier"],
  type: ["type", "of this type"],
  text: ["words", "with all these words in its purpose, in an approval's reason, or in what a caller was told"],
};

const SVID_KINDS = { x509: "x509-svid", jwt: "jwt-svid", wit: "wit-svid", txn: "txn-token" } as const satisfies Record<
  string,
  SvidKind
>;

/** Values of the flags, by the names that commander gives them. */
export type HistoryFlags = Readonly<Record<string, unknown>> & {
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  readonly liveAt?: number;
  readonly descendantsOf?: readonly string[];
  readonly oldestFirst?: boolean;
};

/** Adds all filters that a list has, and those of its order. */
export function addHistoryFlags(command: Command, list: HistoryList, context: Context): Command {
  addRowFlags(command, [list], context);
  return list === "usage" ? command : command.option("--oldest-first", "in the order in which they were recorded");
}

/**
 * Adds all filters that one of the lists has. Each is there twice: `--agent reader`, and `--not-agent reader` for all others. The broker
 * refuses one that the list does not have.
 */
export function addRowFlags(command: Command, lists: readonly HistoryList[], context: Context): Command {
  const instant = (text: string) => instantFlag(text, context.now());
  for (const field of fieldsOf(lists)) {
    const [value, description] = FLAGS[field];
    const name = nameOf(field);
    const option = listOption(`--${name} <${value}>`, description, lists, field);
    command.addOption(WITH_COMMON_VARIABLE.includes(field) ? option : withOwnVariable(option));
    const excluding = listOption(`--not-${name} <${value}>`, `not ${description}`, lists, field);
    command.addOption(withOwnVariable(excluding).hideHelp());
  }
  if (!lists.includes("usage")) {
    command
      .option("--since <instant>", "not before: 2026-01-31T12:00:00Z, or a time ago such as 15m", instant)
      .option("--until <instant>", "before", instant);
  }
  if (lists.some(hasLives)) command.option("--live-at <instant>", "that was alive then", instant);
  return command
    .addOption(
      new Option("--descendants-of <step-id>", "of this step, or of one that was delegated from it; may be repeated")
        .env("STINT_HISTORY_DESCENDANTS_OF")
        .argParser(listFlag),
    )
    .addHelpText(
      "after",
      "\nA filter that is given several times takes any of its values; --not-agent and the like leave out.",
    );
}

/** These have always taken STINT_RUN, STINT_STEP and STINT_AGENT. */
const WITH_COMMON_VARIABLE: readonly HistoryField[] = ["run", "step", "agent"];

/** A variable of its own: STINT_STEP_ID and others are set for every command that runs as a step, and would hide all else. */
function withOwnVariable(option: Option): Option {
  return option.env(`STINT_HISTORY_${option.name().toUpperCase().replaceAll("-", "_")}`);
}

function listOption(flags: string, description: string, lists: readonly HistoryList[], field: HistoryField): Option {
  const choices = choicesOf(lists, field);
  const parse = choices === undefined ? (field === "serial" ? serialFlag : (text: string) => text) : oneOf(choices);
  const option = new Option(flags, description);
  return (choices === undefined ? option : option.choices(choices)).argParser(
    (text: string, before: readonly string[] | undefined) => listFlag(parse(text), before),
  );
}

function choicesOf(lists: readonly HistoryList[], field: HistoryField): readonly string[] | undefined {
  if (field === "kind" && lists.includes("issuances")) return Object.keys(SVID_KINDS);
  return field === "type" ? EVENT_TYPES : undefined;
}

function oneOf(choices: readonly string[]): (text: string) => string {
  return (text) => {
    if (!choices.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    return text;
  };
}

function fieldsOf(lists: readonly HistoryList[]): readonly HistoryField[] {
  return (Object.keys(HISTORY_FIELDS) as HistoryField[]).filter((field) => lists.some((list) => hasField(list, field)));
}

function nameOf(field: HistoryField): string {
  return field.replaceAll("_", "-");
}

/** As commander names the value of a flag. */
function memberOf(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The filter of a request, made of the flags.
 *
 * @param list - those of whose lists the flags are.
 * @param more - filters that have flags of their own.
 */
export function historyFilterOf(
  list: HistoryList | readonly HistoryList[],
  flags: HistoryFlags,
  more: { readonly [Field in HistoryField]?: readonly string[] } = {},
) {
  const lists = [list].flat();
  const named = (member: string) => flags[memberOf(member)] as readonly string[] | undefined;
  const termOf = (field: HistoryField, values: readonly string[] | undefined, excluded: boolean) =>
    values === undefined
      ? []
      : [{ field: historyFieldMessageOf(field), values: values.map((value) => wordOf(lists, field, value)), excluded }];
  const instant = (name: "since" | "until" | "liveAt") => {
    const ms = flags[name];
    return ms === undefined ? {} : { [name]: timestampOfMicros((ms * 1_000) as UnixMicros) };
  };
  return {
    terms: fieldsOf(lists).flatMap((field) => [
      ...termOf(field, named(nameOf(field)), false),
      ...termOf(field, named(`not-${nameOf(field)}`), true),
      ...termOf(field, more[field], false),
    ]),
    descendantsOf: [...(flags.descendantsOf ?? [])],
    oldestFirst: flags.oldestFirst ?? false,
    ...instant("since"),
    ...instant("until"),
    ...instant("liveAt"),
  };
}

/** Credentials have short names here, and all outcomes are in lower case. */
function wordOf(lists: readonly HistoryList[], field: HistoryField, value: string): string {
  if (field === "kind" && lists.includes("issuances") && value in SVID_KINDS)
    return SVID_KINDS[value as keyof typeof SVID_KINDS];
  return field === "outcome" ? value.toLowerCase() : value;
}
