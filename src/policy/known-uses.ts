import { BrokerError } from "../domain/errors.ts";
import { type Action, ANY, type Grant, type GrantElement } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";

type Use = {
  readonly identifier: string;
  readonly location: string;
  readonly action: Action;
  readonly classes: Set<string>;
};

/** Tools by where they are and what they are used for, each once. */
export type Uses = {
  /** @throws BrokerError LIMIT_EXCEEDED beyond `LIMITS.suggestedUsesMax`: an agent chooses what it asks for */
  add(grant: Grant): void;
  elements(): Grant;
  /** Those whose tool is used for this at this server by none of the others, or by some; `*` stands for any tool. */
  without(others: Uses, where: (location: string) => boolean): Grant;
  has(use: Pick<Use, "identifier" | "location" | "action">): boolean;
  /** All servers. */
  locations(): ReadonlySet<string>;
};

/** As many as an agent was ever granted. */
export function createUses(): Uses {
  const byUse = new Map<string, Use>();
  /** Names of tools, by where they are and what for. */
  const tools = new Map<string, Set<string>>();

  function begin(key: string, use: Omit<Use, "classes">): Use {
    if (byUse.size >= LIMITS.suggestedUsesMax) throw tooMany();
    const begun = { ...use, classes: new Set<string>() };
    byUse.set(key, begun);
    const there = tools.get(placeOf(use)) ?? new Set();
    tools.set(placeOf(use), there.add(use.identifier));
    return begun;
  }

  return {
    add(grant) {
      for (const { identifier, locations, actions, datatypes } of grant) {
        for (const location of locations) {
          for (const action of actions) {
            const key = JSON.stringify([identifier, location, action]);
            const known = byUse.get(key) ?? begin(key, { identifier, location, action });
            for (const name of datatypes) known.classes.add(name);
          }
        }
      }
    },
    elements: () => elementsOf([...byUse.values()]),
    without: (others, where) =>
      elementsOf([...byUse.values()].filter((use) => where(use.location) && !others.has(use))),
    has(use) {
      const there = tools.get(placeOf(use));
      return there !== undefined && (use.identifier === ANY || there.has(use.identifier));
    },
    locations: () => new Set([...byUse.values()].map(({ location }) => location)),
  };
}

function placeOf({ location, action }: Pick<Use, "location" | "action">): string {
  return JSON.stringify([location, action]);
}

function tooMany(): BrokerError {
  const most = LIMITS.suggestedUsesMax;
  return new BrokerError(
    "LIMIT_EXCEEDED",
    `more than ${most} tools by server and action are known of the agent, and no policies are suggested for so many: look at a shorter time`,
  );
}

/** What is done with the same classes of the same tool is one element, so that nothing wider comes about. */
function elementsOf(all: readonly Use[]): Grant {
  const grouped = Map.groupBy(all, ({ identifier, location, classes }) =>
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
}

function keyOf({ locations, identifier, actions }: GrantElement): string {
  return JSON.stringify([locations, identifier, actions]);
}
