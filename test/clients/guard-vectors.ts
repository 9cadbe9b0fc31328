import { readFileSync } from "node:fs";

/** How it stands with the verifier behind the guard. */
export type GuardFeed = "ready" | "not ready" | "16 s old" | "61 s old" | "step denied";

export type GuardCase = {
  readonly name: string;
  readonly feed: GuardFeed;
  /** The guard takes DPoP too, `proof: accepted` in TypeScript. Absent: bearer tokens alone, `proof: none`. */
  readonly proof?: "dpop";
  /** The same request came once before. */
  readonly again?: true;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body?: string;
  };
  /** What the application answers, with status 200. Absent: `SERVED`, as JSON. */
  readonly served?: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  readonly expected: {
    readonly status: number;
    /** Those of `SHOWN_HEADERS` that are there. */
    readonly headers: Readonly<Record<string, string>>;
    /** JSON; `null` for an empty body; of a stream of events a list of what their data are. */
    readonly body: unknown;
  };
};

export type GuardVectors = {
  readonly about: readonly string[];
  readonly now_ms: number;
  readonly resource: string;
  readonly issuer: string;
  readonly tools: Readonly<
    Record<string, { readonly actions: readonly string[]; readonly datatypes: readonly string[] }>
  >;
  readonly max_body_bytes: number;
  /** stint.v1.WatchResponse in the JSON of protobuf. */
  readonly messages: Readonly<Record<"snapshot" | "bundle" | "denied", unknown>>;
  readonly cases: readonly GuardCase[];
};

export const SHOWN_HEADERS = ["www-authenticate", "content-type", "cache-control", "retry-after", "allow"] as const;

/** What the application behind the guard answers to whatever gets there. */
export const SERVED = { jsonrpc: "2.0", id: 7, result: { served: true } };

export const GUARD_FILE = new URL("../vectors/guard.json", import.meta.url);

export function guardVectors(): GuardVectors {
  return JSON.parse(readFileSync(GUARD_FILE, "utf8")) as GuardVectors;
}
