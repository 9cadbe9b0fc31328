import { bytesOfBase64url } from "../domain/base64url.ts";
import { FEED_MESSAGE_TYPE, type TimedFeedMessage } from "../domain/feed-message.ts";
import type { JsonObject } from "../domain/strict-json.ts";
import { parseJws, typedClaimsOf } from "./compact-jws.ts";
import { checkEventSignature } from "./event-signature.ts";
import { VerificationError } from "./verification-error.ts";
import type { VerificationKey } from "./verification-keys.ts";

export type FeedMessageOptions = {
  /** Keys that sign lists and events, by `kid`. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  readonly issuer: string;
};

/**
 * Verifies a message of the feed that came over a bus. How old it is, and what came before it, is not looked at.
 *
 * @throws VerificationError with one of its codes; never anything else
 */
export function verifyFeedMessage(text: string, { keys, issuer }: FeedMessageOptions): TimedFeedMessage {
  const jws = parseJws(text, malformed);
  const { algorithm, claims } = typedClaimsOf(jws, FEED_MESSAGE_TYPE, malformed);
  checkEventSignature({ jws, algorithm, keys }, "message of the feed", malformed);
  if (claims["iss"] !== issuer) {
    throw new VerificationError("ISSUER_MISMATCH", "the message of the feed is of another issuer");
  }
  const { kind, epoch } = claims;
  if (typeof epoch !== "string" || epoch === "") throw invalid("epoch");
  const common = { epoch, through: countOf(claims, "through"), atMs: countOf(claims, "at_ms") };
  switch (kind) {
    case "denied":
      return { ...common, kind, from: countOf(claims, "from"), denials: denialsOf(claims) };
    case "snapshot":
      return { ...common, kind, ...partOf(claims), denials: denialsOf(claims) };
    case "heartbeat": {
      const { keys: digest } = claims;
      if (typeof digest !== "string") throw invalid("keys");
      return { ...common, kind, keys: digest };
    }
    default:
      throw invalid("a kind that is known here");
  }
}

function partOf(claims: JsonObject): { readonly part: number; readonly parts: number } {
  const [part, parts] = [countOf(claims, "part"), countOf(claims, "parts")];
  if (part < 1 || part > parts) throw invalid("part, from 1 to parts");
  return { part, parts };
}

function countOf(claims: JsonObject, name: string): number {
  const value = claims[name];
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw invalid(`${name} as a count`);
  return Number(value);
}

function denialsOf({ denials }: JsonObject): Uint8Array {
  const bytes = typeof denials === "string" ? bytesOfBase64url(denials) : undefined;
  if (bytes === undefined) throw invalid("denials in base64url");
  return bytes;
}

function invalid(expected: string): VerificationError {
  return new VerificationError("CLAIMS_INVALID", `claims of the message of the feed: expected ${expected}`);
}

function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a message of the feed: expected ${expected}`);
}
