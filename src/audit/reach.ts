import type { Grant } from "../domain/grant.ts";
import type { Usage } from "../domain/usage.ts";

/** What a tool at one place could be used for, and how often it was. */
export type Reach = {
  /** Empty for a tool that was called without a grant that names it, as one of `*` does not. */
  readonly location: string;
  readonly tool: string;
  readonly actions: readonly string[];
  readonly datatypes: readonly string[];
  /** Steps that were granted it. */
  readonly steps: number;
  /** Reported as served, of this tool at any place: reports do not tell places apart. */
  readonly calls: number;
};

type Kept = { readonly actions: Set<string>; readonly datatypes: Set<string>; steps: number };

/** Puts together what several steps may do, and what they were reported to have done. */
export function createReach() {
  const kept = new Map<string, Map<string, Kept>>();
  const used = new Map<string, { readonly actions: Set<string>; calls: number }>();

  function keep(location: string, tool: string): Kept {
    const ofTool = kept.get(tool) ?? new Map<string, Kept>();
    kept.set(tool, ofTool);
    const known = ofTool.get(location) ?? { actions: new Set(), datatypes: new Set(), steps: 0 };
    ofTool.set(location, known);
    return known;
  }

  return {
    /** Of one step. */
    grant(grant: Grant): void {
      const counted = new Set<Kept>();
      for (const { locations, identifier, actions, datatypes } of grant) {
        for (const location of locations) {
          const one = keep(location, identifier);
          for (const action of actions) one.actions.add(action);
          for (const datatype of datatypes) one.datatypes.add(datatype);
          if (!counted.has(one)) one.steps += 1;
          counted.add(one);
        }
      }
    },
    use({ tool, action, outcome, calls }: Pick<Usage, "tool" | "action" | "outcome" | "calls">): void {
      if (outcome !== "served") return;
      const one = used.get(tool) ?? { actions: new Set(), calls: 0 };
      used.set(tool, { actions: one.actions.add(action), calls: one.calls + calls });
    },
    /** By tool, then by place. */
    all(): readonly Reach[] {
      const granted = [...kept].flatMap(([tool, places]) =>
        [...places].map(([location, { actions, datatypes, steps }]) => ({
          location,
          tool,
          actions: [...actions].toSorted(),
          datatypes: [...datatypes].toSorted(),
          steps,
          calls: used.get(tool)?.calls ?? 0,
        })),
      );
      const unnamed = [...used]
        .filter(([tool]) => !kept.has(tool))
        .map(([tool, { actions, calls }]) => {
          return { location: "", tool, actions: [...actions].toSorted(), datatypes: [], steps: 0, calls };
        });
      return [...granted, ...unnamed].toSorted((a, b) => compare(a.tool, b.tool) || compare(a.location, b.location));
    },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
