import type { Loaded } from "./measurements.ts";
import { type Better, mean, median, type PairedRatio, pairedRatio } from "./paired-ratio.ts";

export type Side = "base" | "head";
export type OfBoth<Value> = { readonly [Name in Side]: Value };

/** A figure of a measurement: its unit, which of two is better, and how it is read. */
export type Figure<Measured> = readonly [unit: string, better: Better, of: (measured: Measured) => number];

/** One figure of two commits. */
export type ComparedRow = PairedRatio & {
  readonly what: string;
  readonly unit: string;
  /** Medians of the rounds. */
  readonly base: number;
  readonly head: number;
  /** Whether the interval allows for a ratio of `NOT_SLOWER`, or more. */
  readonly reaches: boolean;
  /** Of what is measured under a load. */
  readonly load?: LoadCpu;
  /** One a round. */
  readonly values: OfBoth<readonly number[]>;
};

/**
 * Shares of a core: the most that the generator used in any slice, which says whether it was what was measured, and what all
 * others on the machine used on average, which says how much to expect of the interval. And how many calls failed on both sides.
 */
type LoadCpu = { readonly generatorCpu: number; readonly othersCpu: number; readonly failed: number };

/** What is known of every load. */
export type UnderLoad = Pick<Loaded, "cpuSeconds" | "wallSeconds"> & Partial<Pick<Loaded, "failures">>;

/** A commit that is this much as fast as its base, or faster, is not held back for its speed. */
export const NOT_SLOWER = 0.97;

type Collected = {
  readonly what: string;
  readonly unit: string;
  readonly better: Better;
  readonly values: OfBoth<number[]>;
  readonly loaded: UnderLoad[];
};

/** Collects what rounds measure, and makes rows of it. */
export function createComparison() {
  const collected = new Map<string, Collected>();
  return {
    /**
     * Takes in one round of a measurement.
     *
     * @param slices - what was measured of each side in this round; their number makes no difference to a round's weight.
     * @param loaded - the same slices, where they are of a load.
     */
    add<Measured>(
      what: string,
      figures: readonly Figure<Measured>[],
      slices: OfBoth<readonly Measured[]>,
      loaded: readonly UnderLoad[] = [],
    ): void {
      for (const [unit, better, of] of figures) {
        const name = `${what}, ${unit}`;
        const row: Collected = collected.get(name) ?? {
          what,
          unit,
          better,
          values: { base: [], head: [] },
          loaded: [],
        };
        collected.set(name, row);
        for (const side of ["base", "head"] as const) row.values[side].push(mean(slices[side].map(of)));
        row.loaded.push(...loaded);
      }
    },
    rows: (): readonly ComparedRow[] => [...collected.values()].map(comparedRow),
  };
}

function comparedRow({ what, unit, better, values, loaded }: Collected): ComparedRow {
  const ratio = pairedRatio(values.base, values.head, better);
  return {
    what,
    unit,
    base: median(values.base),
    head: median(values.head),
    ...ratio,
    reaches: ratio.high >= NOT_SLOWER,
    ...(loaded.length === 0 ? {} : { load: loadCpuOf(loaded) }),
    values,
  };
}

function loadCpuOf(loaded: readonly UnderLoad[]): LoadCpu {
  return {
    generatorCpu: Math.max(...loaded.map(({ cpuSeconds, wallSeconds }) => cpuSeconds.generator / wallSeconds)),
    othersCpu: mean(loaded.map(({ cpuSeconds, wallSeconds }) => cpuSeconds.others / wallSeconds)),
    failed: loaded.flatMap(({ failures = {} }) => Object.values(failures)).reduce((sum, count) => sum + count, 0),
  };
}
