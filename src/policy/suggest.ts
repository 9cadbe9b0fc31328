import { NO_DATA_CLASSES } from "../domain/data-classes.ts";
import { ANY, formatGrant, type Grant } from "../domain/grant.ts";
import type { Policy } from "../domain/policy-set.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import type { EvaluatedDecision, HistoryReads } from "../ports/ledger-reads.ts";
import type { PolicyFinding } from "../ports/policy-engine.ts";
import { refusalOf } from "./declared-policies.ts";
import { createUses, type Uses } from "./known-uses.ts";
import { type Progress, type ReplayFilter, type ReplayPorts, replay } from "./replay.ts";

/** What would have sufficed for what an agent was granted. */
export type Suggestion = {
  readonly ceiling: Grant;
  /** In the language of Cedar. */
  readonly policies: string;
  readonly decisions: number;
  /** What was granted, at servers whose calls are known, and never used; as a comment in `policies` too. */
  readonly unused: Grant;
  /** Decisions that allowed something and would not have under these policies alone. */
  readonly denied: number;
};

export type SuggestPorts = ReplayPorts & {
  readonly history: Pick<HistoryReads, "usage">;
  /** Where a verifier's tools are; nowhere for one that is not registered any more. */
  readonly audiencesOf: (verifier: string) => readonly string[];
  readonly readFiles: (
    files: readonly { readonly name: string; readonly text: Uint8Array }[],
    baseline: boolean,
  ) => Promise<{ readonly policies: readonly Policy[]; readonly findings: readonly PolicyFinding[] }>;
};

const PAGE_ROWS = 500;

/**
 * The narrowest ceiling that holds all that an agent has used, and a policy for each of its elements: what was called, by
 * checked calls and by what verifiers report. At servers of which neither is known it holds what was granted.
 *
 * @param signal - ends the reading.
 * @throws BrokerError LEDGER_UNAVAILABLE; LIMIT_EXCEEDED where more is known of an agent than policies are suggested for
 */
export async function* suggest(
  filter: ReplayFilter & { readonly agent: Segment },
  ports: SuggestPorts,
  signal: AbortSignal,
): AsyncGenerator<Progress | Suggestion, void, void> {
  const seen: Seen = { granted: createUses(), used: createUses(), grants: new Map() };
  let decisions = 0;
  for (let after = 0; !signal.aborted; ) {
    const rows = await ports.history.evaluated({ ...filter, after, limit: PAGE_ROWS });
    for (const row of rows) note(row, seen);
    decisions += rows.length;
    const last = rows.at(-1);
    const isComplete = last === undefined || rows.length < PAGE_ROWS;
    yield { decisions, skipped: 0, share: isComplete ? 1 : 0, isComplete };
    if (isComplete) break;
    after = last.sequence;
  }
  const { granted, used } = seen;
  const reported = await noteReports(seen, filter.agent, ports, signal);
  // Of a server where no call was checked, and which reports none, nothing is known: there, what was granted counts.
  const known = new Set([...used.locations(), ...reported.locations]);
  const unused = granted.without(used, (location) => known.has(location));
  const wanted = createUses();
  wanted.add(used.elements());
  wanted.add(granted.without(createUses(), (location) => !known.has(location)));
  const ceiling = wanted.elements();
  const policies = policiesOf(filter.agent, ceiling) + unusedComment(unused, reported);
  yield { ceiling, policies, decisions, unused, denied: await deniedBy(policies, filter, ports, signal) };
}

/** What an operator has to look at before the rest is taken away. */
function unusedComment(unused: Grant, { gap }: Reported): string {
  if (unused.length === 0) return "";
  const lost = gap === 0 ? [] : [`// ${gap} calls were not told of: one of these may have been among them.`];
  const lines = [
    "// Granted, and by all that is known never used:",
    ...unused.map((one) => `//   ${formatGrant([one])}`),
  ];
  return `\n${[...lines, ...lost].join("\n")}\n`;
}

/** How many decisions would have come out as denials under these policies alone. What does not validate is not suggested. */
async function deniedBy(text: string, filter: ReplayFilter, ports: SuggestPorts, signal: AbortSignal): Promise<number> {
  const { policies, findings } = await ports.readFiles([{ name: "suggested.cedar", text: Buffer.from(text) }], false);
  if (findings.length > 0) throw refusalOf(findings);
  let denied = 0;
  for await (const one of replay({ policies, dataClasses: NO_DATA_CLASSES }, filter, ports, signal)) {
    if ("recorded" in one && one.lost.length > 0) denied += 1;
  }
  return denied;
}

type Seen = {
  readonly granted: Uses;
  readonly used: Uses;
  /** By the step that was granted it. */
  readonly grants: Map<string, Grant>;
};

function note(
  { act, effect, granted, requested, stepId }: EvaluatedDecision,
  { granted: all, used, grants }: Seen,
): void {
  if (effect !== "allow") return;
  if (act === "call") used.add(granted.length > 0 ? granted : requested);
  if (act !== "open") return;
  all.add(granted);
  if (stepId !== undefined) grants.set(stepId, granted);
}

/** What is known of calls that no server had to ask about: where they were, and how many of them nobody was told of. */
type Reported = { readonly locations: ReadonlySet<string>; readonly gap: number };

/** Adds what verifiers have reported of the steps that were opened, as far as a step's grant says of which data it was. */
async function noteReports(
  { used, grants }: Seen,
  agent: Segment,
  { history, audiencesOf }: Pick<SuggestPorts, "history" | "audiencesOf">,
  signal: AbortSignal,
): Promise<Reported> {
  const locations = new Set<string>();
  const gaps = new Map<string, number>();
  for (let before: number | undefined; !signal.aborted; ) {
    const page = { agent, limit: PAGE_ROWS, ...(before === undefined ? {} : { before }) };
    const rows = await history.usage(page);
    for (const { stepId, verifier, tool, action, outcome, gap } of rows) {
      const granted = grants.get(stepId);
      if (granted === undefined) continue;
      const own = audiencesOf(verifier);
      gaps.set(verifier, gap);
      for (const location of own) locations.add(location);
      // What a server refused was not used.
      if (outcome === "refused") continue;
      used.add(
        granted
          .filter(({ identifier, actions }) => (identifier === ANY || identifier === tool) && actions.includes(action))
          .map((element) => ({
            ...element,
            identifier: tool,
            actions: [action],
            locations: element.locations.filter((location) => own.includes(location)),
          })),
      );
    }
    if (rows.length < PAGE_ROWS) break;
    before = rows.at(-1)?.usageId;
  }
  return { locations, gap: [...gaps.values()].reduce((sum, one) => sum + one, 0) };
}

/** A permit for each element, and one for opening steps. Alone, they permit what the ceiling holds, and nothing else. */
function policiesOf(agent: Segment, ceiling: Grant): string {
  const who = `principal == Agent::${quoted(agent)}`;
  const opening =
    `// Steps of ${agent}, opened or delegated.\n@id("suggested.${agent}.steps")\n` +
    `permit (${who}, action in [Action::"open_step", Action::"delegate"], resource);\n`;
  const permits = ceiling.map(({ identifier, locations, actions, datatypes }, index) => {
    const tool = identifier === ANY ? "resource" : `resource == Tool::${quoted(identifier)}`;
    const verbs = actions.map((action) => `Action::${quoted(action)}`).join(", ");
    const classes = datatypes.map((name) => `DataClass::${quoted(name)}`).join(", ");
    const at = locations.includes(ANY)
      ? []
      : [`[${locations.map((one) => `Server::${quoted(one)}`).join(", ")}].contains(context.server)`];
    const when = [...at, `[${classes}].contains(context.dataClass)`].join(" && ");
    return `@id("suggested.${agent}.${index + 1}")\npermit (${who}, action in [${verbs}], ${tool})\nwhen { ${when} };\n`;
  });
  return [opening, ...permits].join("\n");
}

/** Names, URIs and classes hold no character that a text of Cedar writes otherwise than JSON does. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
