import { type Entry, EntryOrigin, OperatorRole } from "../../gen/stint/v1/entries_pb.js";
import { enumField, grantField, instantField, secondsField } from "./fields.ts";
import { type Field, type Json, styleOf, type View } from "./view.ts";

type Kind = NonNullable<Entry["content"]>["kind"];
type ContentOf<Case> = Extract<Kind, { readonly case: Case }>["value"];

/** A member that only entries of one kind have. */
function of<Case extends "agent" | "runtime" | "verifier" | "operator" | "node">(
  kind: Case,
  value: (content: ContentOf<Case>) => Json | undefined,
): (entry: Entry) => Json | undefined {
  return (entry) => {
    const content = entry.content?.kind;
    return content?.case === kind ? value(content.value as ContentOf<Case>) : undefined;
  };
}

/** What the entry says, in the keys of the configuration file. */
const CONTENT_FIELDS: readonly Field<Entry>[] = [
  ["kind", (entry) => entry.content?.kind.case ?? "unknown"],
  ["name", (entry) => entry.content?.name ?? ""],
  ["selectors", (entry) => entry.content?.selectors ?? []],
  ["spiffe_id_template", of("agent", (agent) => agent.spiffeIdTemplate)],
  ["ceiling", of("agent", (agent) => grantField(agent.ceiling))],
  ["audiences", (entry) => of("agent", audiencesOf)(entry) ?? of("verifier", audiencesOf)(entry)],
  ["exchange_audiences", of("agent", (agent) => agent.exchangeAudiences)],
  ["jwt_svid_ttl", of("agent", (agent) => secondsField(agent.jwtSvidTtl))],
  ["x509_svid_ttl", of("agent", (agent) => secondsField(agent.x509SvidTtl))],
  ["step_duration_max", of("agent", (agent) => secondsField(agent.stepDurationMax))],
  ["may_open", of("agent", (agent) => agent.mayOpen)],
  ["allow_any_executor", of("agent", (agent) => agent.allowAnyExecutor)],
  ["allow_executor_tree", of("agent", (agent) => agent.allowExecutorTree)],
  ["executor_open_steps_max", of("agent", (agent) => agent.executorOpenStepsMax || undefined)],
  ["allow_multiple_audiences", of("agent", (agent) => agent.allowMultipleAudiences)],
  ["agents", of("runtime", (runtime) => runtime.agents)],
  ["open_steps_max", of("runtime", (runtime) => runtime.openStepsMax)],
  [
    "allow_descendants",
    (entry) =>
      of("agent", (agent) => agent.allowDescendants)(entry) ??
      of("runtime", (runtime) => runtime.allowDescendants)(entry),
  ],
  ["max_staleness", of("verifier", (verifier) => secondsField(verifier.maxStaleness))],
  ["receipt_key", of("verifier", (verifier) => (verifier.receiptKey === "" ? undefined : verifier.receiptKey))],
  ["events_url", of("verifier", (verifier) => verifier.eventsUrl || undefined)],
  ["federates_with", federatesWith],
  ["machine_name", of("node", (node) => node.machineName || undefined)],
  ["barred_machines", of("node", (node) => (node.barredMachines.length === 0 ? undefined : node.barredMachines))],
  ["role", of("operator", (operator) => enumField(OperatorRole, operator.role).toLowerCase())],
];

export const entryView: View<Entry> = {
  fields: [
    ["entry", entryName],
    ["entry_id", (entry) => entry.entryId],
    ["spiffe_id", (entry) => entry.spiffeId],
    ["origin", originOf],
    ["disabled", (entry) => entry.disabled],
    ["revision", (entry) => Number(entry.revision)],
    ["created_at", (entry) => instantField(entry.createdAt)],
    ["updated_at", (entry) => instantField(entry.updatedAt)],
    ...CONTENT_FIELDS,
  ],
  columns: [
    { header: "ENTRY", text: entryName },
    { header: "SPIFFE_ID", text: (entry) => entry.spiffeId },
    {
      header: "STATE",
      text: (entry) => (entry.disabled ? "disabled" : "enabled"),
      style: (entry) => styleOf(false, entry.disabled),
    },
    { header: "ORIGIN", text: originOf },
    { header: "REVISION", text: (entry) => String(entry.revision), align: "right" },
    { header: "SELECTORS", text: (entry) => (entry.content?.selectors ?? []).join(" ") },
    { header: "ENTRY_ID", text: (entry) => entry.entryId },
  ],
};

/** Foreign trust domains; left out where there are none, as in the configuration file. */
function federatesWith({ content }: Entry): Json | undefined {
  return content === undefined || content.federatesWith.length === 0 ? undefined : content.federatesWith;
}

function audiencesOf(content: { readonly audiences: readonly string[] }): Json {
  return content.audiences;
}

/** `agent/researcher`: what the commands take for an entry beside its id. */
function entryName(entry: Entry): string {
  return `${entry.content?.kind.case ?? "unknown"}/${entry.content?.name ?? ""}`;
}

function originOf(entry: Entry): string {
  return enumField(EntryOrigin, entry.origin).toLowerCase();
}
