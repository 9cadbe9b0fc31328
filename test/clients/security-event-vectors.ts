import { readFileSync } from "node:fs";
import type { FeedOutcome } from "./feed-vectors.ts";

/** What an event tells a verifier. */
export type EventOutcome =
  | { readonly told: "denial"; readonly forget_after_ms: number }
  | { readonly told: "verification"; readonly state: unknown }
  | { readonly told: "certificate" }
  | Exclude<FeedOutcome, "accepted">;

/** What happens in a scene, one thing after another; a name is one of the file's `tokens`. */
export type EventAct =
  /** A security event token comes. */
  | { readonly do: "event"; readonly token: string; readonly is: EventOutcome }
  /** What may be forgotten at this instant is. */
  | { readonly do: "forget"; readonly at_ms: number }
  /** Whether a token of this step, of this issuer and with this jti, is denied. */
  | {
      readonly do: "ask";
      readonly step_id: string;
      readonly issuer: string;
      readonly jti: string;
      readonly is: FeedOutcome;
    };

export type SecurityEventVectors = {
  readonly about: readonly string[];
  readonly now_ms: number;
  readonly issuer: string;
  /** Of the receiver's stream. */
  readonly audience: string;
  /** What is at /keys/events.json. */
  readonly keys: unknown;
  readonly tokens: Readonly<Record<string, string>>;
  readonly scenes: readonly { readonly name: string; readonly script: readonly EventAct[] }[];
};

export const SECURITY_EVENTS_FILE = new URL("../vectors/security-events.json", import.meta.url);

export function securityEventVectors(): SecurityEventVectors {
  return JSON.parse(readFileSync(SECURITY_EVENTS_FILE, "utf8")) as SecurityEventVectors;
}
