import { NO_DATA_CLASSES } from "../domain/data-classes.ts";
import { type Action, ANY, type Grant, type GrantElement } from "../domain/grant.ts";
import type { Policy } from "../domain/policy-set.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import type { EvaluatedDecision } from "../ports/ledger-reads.ts";
import type { PolicyFinding } from "../ports/policy-engine.ts";
import { refusalOf } from "./declared-policies.ts";
import { type Progress, type ReplayFilter, type ReplayPorts, replay } from "./replay.ts";

/** What would have sufficed for what an agent was granted. */
export type Suggestion = {
  readonly ceiling: Grant;
  /** In the language of Cedar. */
  readonly policies: string;
  readonly decisions: number;
  /** Elements that were granted, and of which each known call was of another. */
  readonly unused: Grant;
  /** Decisions that allowed something and would not have under these policies alone. */
  readonly denied: number;
};

export type SuggestPorts = ReplayPorts & {
  readonly readFiles: (
    files: readonly { readonly name: string; readonly text: Uint8Array }[],
    baseline: boolean,
  ) => Promise<{ readonly policies: readonly Policy[]; readonly findings: readonly PolicyFinding[] }>;
};

const PAGE_ROWS = 500;

/**
 * The narrowest ceiling that holds all that an agent was granted, and a policy for each of its elements. Elements of which
 * calls were checked are as narrow as the calls.
 *
 * @param signal - ends the reading.
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function* suggest(
  filter: ReplayFilter & { readonly agent: Segment },
  ports: SuggestPorts,
  signal: AbortSignal,
): AsyncGenerator<Progress | Suggestion, void, void> {
  const granted = createUses();
  const used = createUses();
  let decisions = 0;
  for (let after = 0; !signal.aborted; ) {
    const rows = await ports.history.evaluated({ ...filter, after, limit: PAGE_ROWS });
    for (const row of rows) note(row, granted, used);
    decisions += rows.length;
    const last = rows.at(-1);
    const isComplete = last === undefined || rows.length < PAGE_ROWS;
    yield { decisions, skipped: 0, share: isComplete ? 1 : 0, isComplete };
    if (isComplete) break;
    after = last.sequence;
  }
  const whole = granted.elements();
  const known = used.elements();
  const isUsed = (element: GrantElement) =>
    known.some((use) => use.identifier === element.identifier && isSome(use.locations, element.locations));
  // Where no call was checked nothing is known of what was used, and what was granted counts.
  const ceiling = known.length === 0 ? whole : known;
  const policies = policiesOf(filter.agent, ceiling);
  yield {
    ceiling,
    policies,
    decisions,
    unused: known.length === 0 ? [] : whole.filter((element) => !isUsed(element)),
    denied: await deniedBy(policies, filter, ports, signal),
  };
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

function note({ act, effect, granted, requested }: EvaluatedDecision, all: Uses, used: Uses): void {
  if (effect !== "allow") return;
  if (act === "open") all.add(granted);
  if (act === "call") used.add(granted.length > 0 ? granted : requested);
}

type Use = {
  readonly identifier: string;
  readonly location: string;
  readonly action: Action;
  readonly classes: Set<string>;
};
type Uses = { add(grant: Grant): void; elements(): Grant };

/** Tools by where they are and what they were used for: as many as an agent was ever granted, each once. */
function createUses(): Uses {
  const byUse = new Map<string, Use>();
  return {
    add(grant) {
      for (const { identifier, locations, actions, datatypes } of grant) {
        for (const location of locations) {
          for (const action of actions) {
            const key = JSON.stringify([identifier, location, action]);
            const known = byUse.get(key) ?? { identifier, location, action, classes: new Set<string>() };
            byUse.set(key, known);
            for (const name of datatypes) known.classes.add(name);
          }
        }
      }
    },
    elements() {
      // What was done with the same classes of the same tool is one element, so that nothing wider comes about.
      const grouped = Map.groupBy(byUse.values(), ({ identifier, location, classes }) =>
        JSON.stringify([identifier, location, [...classes].sort()]),
      );
      const elements = [...grouped.values()].flatMap((uses): GrantElement[] => {
        const [first] = uses;
        if (first === undefined) return [];
        const { identifier, location, classes } = first;
        const actions = uses.map(({ action }) => action).sort();
        return [{ type: "mcp_tool", locations: [location], identifier, actions, datatypes: [...classes].sort() }];
      });
      return elements.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    },
  };
}

function keyOf({ locations, identifier, actions }: GrantElement): string {
  return JSON.stringify([locations, identifier, actions]);
}

function isSome(one: readonly string[], other: readonly string[]): boolean {
  return one.some((text) => other.includes(text));
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
