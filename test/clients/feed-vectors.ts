import { readFileSync } from "node:fs";
import type { JsonValue } from "@bufbuild/protobuf";

/** What happens in a scene, one thing after another; names are those of the file's `tokens` and `messages`. */
export type FeedAct =
  /** The broker sends a message. */
  | { readonly do: "send"; readonly message: string }
  /** The verifier has applied all up to this cursor, a text in UTF-8. */
  | { readonly do: "acknowledged"; readonly cursor: string }
  /** The broker answers the next ping, `after_ms` later; its clock is `ahead_ms` ahead of the verifier's. */
  | { readonly do: "pong"; readonly cursor: string; readonly ahead_ms?: number; readonly after_ms?: number }
  /** Time passes; the machine is suspended, so that the wall clock alone goes on; the wall clock is set. */
  | { readonly do: "advance" | "suspend"; readonly ms: number }
  | { readonly do: "set_wall"; readonly ahead_ms: number }
  /** The broker ends the stream; the next begins with this cursor, once `RECONNECT_MS` have passed. */
  | { readonly do: "reconnected"; readonly cursor: string }
  | { readonly do: "verify"; readonly token: string; readonly actions?: readonly string[]; readonly is: FeedOutcome }
  /** Of what was verified last of this token. */
  | { readonly do: "recheck"; readonly token: string; readonly is: FeedOutcome }
  | {
      readonly do: "authorize";
      readonly token: string;
      readonly use: {
        readonly tool: string;
        readonly actions: readonly string[];
        readonly datatypes: readonly string[];
      };
      readonly is: FeedOutcome;
    };

export type FeedOutcome =
  | "accepted"
  | { readonly refused: string; readonly message: string; readonly metadata: Readonly<Record<string, string>> };

export type FeedScene = {
  readonly name: string;
  readonly options: {
    readonly development?: boolean;
    readonly grants_from?: readonly string[];
    readonly max_staleness_seconds?: Readonly<Record<string, number>>;
  };
  readonly script: readonly FeedAct[];
};

export type FeedVectors = {
  readonly about: readonly string[];
  readonly now_ms: number;
  readonly audience: string;
  readonly tokens: Readonly<Record<string, string>>;
  /** stint.v1.WatchResponse in the JSON of protobuf. */
  readonly messages: Readonly<Record<string, JsonValue>>;
  readonly scenes: readonly FeedScene[];
};

/** No verifier waits for longer before it connects anew. */
export const RECONNECT_MS = 2_000;

export const FEED_FILE = new URL("../vectors/feed.json", import.meta.url);

export function feedVectors(): FeedVectors {
  return JSON.parse(readFileSync(FEED_FILE, "utf8")) as FeedVectors;
}
