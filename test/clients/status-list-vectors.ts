import { readFileSync } from "node:fs";
import type { FeedOutcome } from "./feed-vectors.ts";

/** What happens in a scene, one thing after another; names are those of the file's `tokens` and `documents`. */
export type ListAct =
  /** From now on the broker answers with this to whoever asks for the path, by default that of the list: a document, or so many bytes of nothing. */
  | {
      readonly do: "serve";
      readonly path?: string;
      readonly document?: string;
      readonly filler_bytes?: number;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The broker breaks every connection, and listens no more. */
  | { readonly do: "stop" }
  /** The verifier says that it is ready. */
  | { readonly do: "ready" }
  /** Time passes; the machine is suspended, so that the wall clock alone goes on; the wall clock is set. */
  | { readonly do: "advance" | "suspend"; readonly ms: number }
  | { readonly do: "set_wall"; readonly ahead_ms: number }
  /** Whatever judging the token takes is had if it can be, and the token verified. */
  | { readonly do: "verify"; readonly token: string; readonly actions?: readonly string[]; readonly is: FeedOutcome }
  /** Of what was verified last of this token. */
  | { readonly do: "recheck"; readonly token: string; readonly is: FeedOutcome }
  | { readonly do: "authorize"; readonly token: string; readonly actions: readonly string[]; readonly is: FeedOutcome }
  /** Somebody listens for the end of what was verified last of this token; and is told. */
  | { readonly do: "listen"; readonly token: string }
  | { readonly do: "told"; readonly token: string; readonly is: FeedOutcome }
  /** These members of the verifier's status; `null` is for what is not there. */
  | {
      readonly do: "status";
      readonly is: {
        readonly connected?: boolean;
        readonly refusal?: string | null;
        readonly staleness_seconds?: number | null;
        readonly denied?: number;
        readonly bundles?: number;
        readonly last_error?: string | null;
      };
    }
  /** How often a path was asked for. */
  | { readonly do: "asked"; readonly path?: string; readonly times: number };

export type ListScene = {
  readonly name: string;
  readonly options: {
    readonly development?: boolean;
    readonly trust_domain?: string;
    readonly max_staleness_seconds?: Readonly<Record<string, number>>;
  };
  readonly script: readonly ListAct[];
};

export type StatusListVectors = {
  readonly about: readonly string[];
  readonly now_ms: number;
  readonly audience: string;
  readonly issuer: string;
  readonly trust_domain: string;
  /** Where the list is whose path no act names. */
  readonly list_path: string;
  /** What is served from the beginning, by path. */
  readonly served: Readonly<Record<string, string>>;
  readonly tokens: Readonly<Record<string, string>>;
  readonly documents: Readonly<Record<string, string>>;
  readonly scenes: readonly ListScene[];
};

export const STATUS_LIST_FILE = new URL("../vectors/status-list.json", import.meta.url);

export function statusListVectors(): StatusListVectors {
  return JSON.parse(readFileSync(STATUS_LIST_FILE, "utf8")) as StatusListVectors;
}
