import { InvalidArgumentError } from "commander";
import { type EntryContentInput, parseEntryContent } from "../domain/entry-content.ts";
import type { DeclaredKind, EntryContent } from "../domain/registration-entry.ts";
import { usageFailure } from "./failure.ts";
import { durationFlag } from "./flags.ts";

/** What an entry says, in the keys and values of the configuration file. */
export type Declaration = Readonly<Record<string, unknown>>;

type Read = (value: unknown, key: string) => unknown;

const text: Read = (value, key) => {
  if (typeof value !== "string") throw usageFailure(`${key}: expected text`);
  return value;
};
const texts: Read = (value, key) => {
  if (!Array.isArray(value)) throw usageFailure(`${key}: expected a list`);
  return value.map((one) => text(one, key));
};
const count: Read = (value, key) => {
  if (typeof value !== "number") throw usageFailure(`${key}: expected a number`);
  return value;
};
const yesNo: Read = (value, key) => {
  if (typeof value !== "boolean") throw usageFailure(`${key}: expected true or false`);
  return value;
};
const seconds: Read = (value, key) => {
  if (typeof value === "number") return value;
  try {
    return durationFlag(String(text(value, key)));
  } catch (thrown) {
    if (!(thrown instanceof InvalidArgumentError)) throw thrown;
    throw usageFailure(`${key}: expected a time such as 90s, 5m or 1h, or a number of seconds`);
  }
};
const any: Read = (value) => value;

/** Keys of each kind: what they are called in the domain, and how their values are read. */
const KEYS: { readonly [Kind in DeclaredKind]: Readonly<Record<string, readonly [member: string, read: Read]>> } = {
  agent: {
    spiffe_id_template: ["spiffeIdTemplate", text],
    ceiling: ["ceiling", any],
    audiences: ["audiences", texts],
    exchange_audiences: ["exchangeAudiences", texts],
    jwt_svid_ttl: ["jwtSvidTtlSeconds", seconds],
    x509_svid_ttl: ["x509SvidTtlSeconds", seconds],
    step_duration_max: ["stepSecondsMax", seconds],
    may_open: ["mayOpen", yesNo],
    allow_any_executor: ["allowAnyExecutor", yesNo],
    allow_executor_tree: ["allowExecutorTree", yesNo],
    executor_open_steps_max: ["executorOpenStepsMax", count],
    allow_descendants: ["allowDescendants", yesNo],
    allow_multiple_audiences: ["allowMultipleAudiences", yesNo],
    federates_with: ["federatesWith", texts],
  },
  runtime: {
    agents: ["agents", texts],
    open_steps_max: ["openStepsMax", count],
    allow_descendants: ["allowDescendants", yesNo],
    federates_with: ["federatesWith", texts],
  },
  verifier: {
    audiences: ["audiences", texts],
    max_staleness: ["maxStalenessSeconds", seconds],
    receipt_key: ["receiptKey", text],
    events_url: ["eventsUrl", text],
    federates_with: ["federatesWith", texts],
  },
  operator: { role: ["role", text] },
  node: { machine_name: ["machineName", text], barred_machines: ["barredMachines", texts] },
};
/** What a list or a name that was left out stands for: empty, so that the domain says what is missing. */
const REQUIRED = { agents: [], audiences: [], role: "" } as const;
/** What `stint entry show --output json` prints besides: not the entry's content, and so not to be changed. */
const NOT_CONTENT = ["entry", "entry_id", "spiffe_id", "origin", "disabled", "revision", "created_at", "updated_at"];

/**
 * Reads one entry from YAML or JSON, as `entries:` of the configuration has it, or as `stint entry show` prints it.
 *
 * @throws Failure
 */
export async function readDeclaration(yaml: string): Promise<Declaration> {
  const { parse: parseYaml } = await import("yaml");
  let value: unknown;
  try {
    value = parseYaml(yaml);
  } catch {
    throw usageFailure("the entry: expected YAML or JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usageFailure("the entry: expected a mapping with kind, name, selectors and what its kind has");
  }
  return value as Declaration;
}

/** The revision that a declaration was printed at; 0 when the declaration does not say. */
export function revisionOf(declaration: Declaration): number {
  const revision = declaration["revision"];
  return typeof revision === "number" ? revision : 0;
}

/**
 * The content that a declaration says, with its defaults; the same checks as for entries of the configuration file.
 *
 * @throws Failure for an unknown key or a value of another type; BrokerError INVALID_FIELD
 */
export function contentOf(declaration: Declaration): EntryContent {
  const kind = kindOf(declaration["kind"]);
  const members: Record<string, unknown> = kind === "agent" ? {} : { ...REQUIRED };
  for (const [key, value] of Object.entries(declaration)) {
    if (key === "kind" || NOT_CONTENT.includes(key)) continue;
    if (key === "name") members["name"] = text(value, key);
    else if (key === "selectors") members["selectors"] = texts(value, key);
    else {
      const [member, read] = (Object.hasOwn(KEYS[kind], key) ? KEYS[kind][key] : undefined) ?? [];
      if (member === undefined || read === undefined) throw usageFailure(unknownKey(key, kind));
      members[member] = read(value, key);
    }
  }
  const { name = "", selectors = [] } = members;
  return parseEntryContent({ ...members, kind, name, selectors } as EntryContentInput);
}

function kindOf(value: unknown): DeclaredKind {
  const kind = (Object.keys(KEYS) as DeclaredKind[]).find((known) => known === value);
  if (kind === undefined) throw usageFailure(`kind: expected ${Object.keys(KEYS).join(", ")}`);
  return kind;
}

function unknownKey(key: string, kind: DeclaredKind): string {
  return `${key}: an entry of kind ${kind} has ${["kind", "name", "selectors", ...Object.keys(KEYS[kind])].join(", ")}`;
}
