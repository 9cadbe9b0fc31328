import type { DataClasses } from "../../domain/data-classes.ts";
import { type EntryContentInput, parseEntryContent } from "../../domain/entry-content.ts";
import { ACTIONS, ANY } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { EntryContent } from "../../domain/registration-entry.ts";

/** The name of every entry here that nobody named. */
const NAME = "dev";
/** Where servers under development usually listen. A verifier names its audiences: there is no `*` for them. */
const PORTS = [3000, 8000, 8080];
const DATATYPES = ["public", "internal", "confidential", "restricted", "personal", "secret"];

/** Audiences that the verifier `dev` answers for when nobody says otherwise. */
function usualAudiences(): readonly string[] {
  return PORTS.flatMap((port) =>
    ["localhost", "127.0.0.1"].flatMap((host) => [`http://${host}:${port}`, `http://${host}:${port}/mcp`]),
  );
}

/** The classes of data as a configuration would list them: all `ordinary`, for whoever develops has no data to guard yet. */
export function devDataClasses(datatypes: readonly string[]): DataClasses {
  const names = [...new Set([...datatypes, ...DATATYPES])];
  const ordinary = { sensitivity: "ordinary", securityDomain: [] } as const;
  return { ratchet: "run", classes: Object.fromEntries(names.map((name) => [name, ordinary])) };
}

/**
 * Entries under which the processes of one user may be everything: agent, runtime, verifier, operator.
 *
 * @param wanted.audiences - audiences beside the usual ones, of the verifier, and of steps beyond their grant.
 * @param wanted.agents - agents beside `dev`.
 * @throws BrokerError INVALID_FIELD for a name, an audience or a class of data that can't be one
 */
export function devEntries(
  uid: number,
  wanted: {
    readonly agents: readonly string[];
    readonly audiences: readonly string[];
    readonly datatypes: readonly string[];
  },
): readonly EntryContent[] {
  const selectors = [`unix:uid:${uid}`];
  const agents = [...new Set([NAME, ...wanted.agents])];
  const audiences = [...new Set([...wanted.audiences, ...usualAudiences()])];
  const anything = {
    type: "mcp_tool",
    locations: [ANY],
    identifier: ANY,
    actions: [...ACTIONS],
    datatypes: [...new Set([...wanted.datatypes, ...DATATYPES])],
  };
  // A caller that matches several entries opens by the first, and only a runtime's or an agent's step can be held.
  const entries: readonly EntryContentInput[] = [
    { kind: "runtime", name: NAME, selectors, agents },
    ...agents.map((name) => ({
      kind: "agent" as const,
      name,
      selectors,
      ceiling: [anything],
      audiences,
      stepSecondsMax: LIMITS.stepSecondsMax,
      mayOpen: true,
      allowAnyExecutor: true,
      allowExecutorTree: true,
      allowMultipleAudiences: true,
    })),
    { kind: "verifier", name: NAME, selectors, audiences },
    { kind: "operator", name: NAME, selectors, role: "admin" },
  ];
  return entries.map((entry) => parseEntryContent(entry));
}
