import type { Json } from "../output/view.ts";

/** Of the JSON; it changes where a member goes, or means something else. */
export const REPORT_SCHEMA = "https://stint.example/report/v1";

/** A number of the period, by a query that whoever may look can run again. */
export type ReportedFigure = {
  readonly id: string;
  readonly title: string;
  readonly command: string;
  readonly count: number;
  /** Absent where nothing is grouped by; the largest first. */
  readonly groups?: readonly { readonly value: string | null; readonly count: number }[];
  /** How long something of them lasted; absent where that is not asked, `null` of none. */
  readonly seconds?: { readonly least: number | null; readonly mean: number | null; readonly most: number | null };
  readonly groups_left_out?: number;
  readonly count_left_out?: number;
  /** The command may give another number later. */
  readonly may_change: boolean;
};

/** An event of the period as it was recorded, and the proof that it was. */
export type ReportedExample = {
  readonly id: string;
  readonly title: string;
} & (
  | {
      readonly sequence: number;
      /** In the words of `stint history events`; what is proved are the bytes in the proof, which say the same. */
      readonly event: Json;
      /** A C2SP tlog-proof. */
      readonly proof: string;
    }
  /** Why there is no event: none was recorded, or what it said is deleted. */
  | { readonly absent: string }
);

export type ReportedClaim = {
  readonly says: string;
  readonly promise: string;
  readonly figures: readonly string[];
  readonly examples: readonly string[];
};

export type ReportedControl = {
  readonly id: string;
  readonly title: string;
  readonly does: readonly ReportedClaim[];
  readonly not_covered: string;
};

/** What a report says, in whatever format: HTML and PDF show this and nothing else. */
export type Report = {
  readonly schema: typeof REPORT_SCHEMA;
  readonly made_at: string;
  readonly made_by: string;
  readonly trust_domain: string;
  readonly period: { readonly since: string; readonly until: string };
  readonly framework: {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly date: string;
    readonly source: string;
    readonly reviewed: string;
  };
  readonly ledger: {
    readonly epoch: string;
    /** When its first event was recorded. */
    readonly begins_at: string | null;
    readonly pruned_events: number;
    /** Seconds for which the log keeps what events of a class say. */
    readonly kept_for: { readonly [eventClass: string]: number };
    /** The newest signed note when everything was counted. */
    readonly checkpoint: string;
    /** As the broker gave it: whoever checks has it by a way that they trust. */
    readonly verifier_key: string;
  };
  /** What a reader has to know of the period before any number; empty: nothing. */
  readonly reservations: readonly string[];
  readonly figures: readonly ReportedFigure[];
  readonly examples: readonly ReportedExample[];
  readonly controls: readonly ReportedControl[];
  readonly nothing_for: { readonly controls: readonly string[]; readonly because: string };
};
