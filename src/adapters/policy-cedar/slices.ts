import { type PolicySource, prepare } from "./cedar-library.ts";
import type { CompiledPolicy } from "./compile-policy.ts";
import { isPrefix, type Reads } from "./policy-reads.ts";
import { CONTEXT_PARTS } from "./situation.ts";

/** Policies that are asked together, made ready; and what any of them looks at. */
export type Slice = {
  /** Never given to another slice: what was answered is remembered under it. */
  readonly number: number;
  /** Under which the library has the policies. */
  readonly name: string;
  readonly policies: readonly CompiledPolicy[];
  /** Parts of the context that a policy looks at, by their path. */
  readonly parts: ReadonlySet<string>;
  /** Whether a policy looks into these, and not just at which one it is. */
  readonly looksInto: { readonly server: boolean; readonly parent: boolean; readonly principal: boolean };
  readonly looksAtAgent: boolean;
  readonly looksAtResource: boolean;
};

/**
 * How policies are put together: as they stand; as they count where any tool is asked for; the permits alone, as they
 * count in either case.
 */
export type SliceKind = "named" | "any-tool" | "named-permits" | "any-tool-permits";

export type Slices = {
  /** @param set - a name for the policies, never used for others. */
  of(set: string, kind: SliceKind, policies: readonly CompiledPolicy[], positions: readonly number[]): Slice;
};

/**
 * Slices that are ready at once. One of a few dozen policies takes about 100 KiB; agents that are asked for often keep
 * theirs, and for others it is made again in about a millisecond.
 */
const SLICES_MAX = 512;

export function createSlices(slicesMax = SLICES_MAX): Slices {
  /** The one that was used longest ago is first. */
  const ready = new Map<string, Slice>();
  /** The library forgets nothing, so the name of what was let go of is taken for what comes next. */
  const freeNames = Array.from({ length: slicesMax }, (_, index) => String(index));
  let lastNumber = 0;

  function letGo(): void {
    for (const [key, { name }] of ready) {
      ready.delete(key);
      freeNames.push(name);
      break;
    }
  }

  return {
    of(set, kind, policies, positions) {
      const key = `${set}/${kind}/${positions.join()}`;
      let slice = ready.get(key);
      if (slice === undefined) {
        if (freeNames.length === 0) letGo();
        const [name = ""] = freeNames;
        const chosen = positions.flatMap((position) => policies[position] ?? []);
        slice = prepareSlice(lastNumber + 1, name, kind, chosen);
        lastNumber += 1;
        freeNames.shift();
      } else ready.delete(key);
      ready.set(key, slice);
      return slice;
    },
  };
}

type Source = { readonly policy: CompiledPolicy; readonly source: PolicySource; readonly reads: Reads };

function prepareSlice(number: number, name: string, kind: SliceKind, policies: readonly CompiledPolicy[]): Slice {
  const sources = policies.flatMap((policy): readonly Source[] => {
    const { effect, text, reads, forAnyTool } = policy;
    if (kind.endsWith("permits") && effect === "forbid") return [];
    if (!kind.startsWith("any-tool")) return [{ policy, source: text, reads }];
    return forAnyTool === undefined ? [] : [{ policy, ...forAnyTool }];
  });
  prepare(name, Object.fromEntries(sources.map(({ policy, source }) => [policy.policyId, source])));
  const paths = sources.flatMap(({ reads }) => reads.paths);
  const parts = CONTEXT_PARTS.filter(({ names }) =>
    paths.some((path) => isPrefix(path, names) || isPrefix(names, path)),
  );
  /** An entity that was found in the context can be looked into by more than a path, e.g. by `getTag` or `in`. */
  const has = (part: string): boolean => parts.some(({ path }) => path === part);
  return {
    number,
    name,
    policies: sources.map(({ policy }) => policy),
    parts: new Set(parts.map(({ path }) => path)),
    looksInto: {
      server:
        has("server") &&
        (sources.some(({ reads }) => reads.indirect) ||
          paths.some((path) => path.length === 0 || (path[0] === "server" && path.length > 1))),
      parent: has("parent"),
      principal: has("principal"),
    },
    looksAtAgent: sources.some(({ reads }) => reads.principal),
    looksAtResource: sources.some(({ reads }) => reads.resource),
  };
}
