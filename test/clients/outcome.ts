import { VerificationError } from "../../src/sdk/verifier/index.ts";
import type { FeedOutcome } from "./feed-vectors.ts";

/** What becomes of something that a verifier is asked, in the words of the shared files. */
export function outcomeOf(decide: () => unknown): FeedOutcome {
  try {
    decide();
    return "accepted";
  } catch (thrown) {
    return refusalIn(thrown);
  }
}

/** @throws whatever is no refusal */
export function refusalIn(thrown: unknown): FeedOutcome {
  if (!(thrown instanceof VerificationError)) throw thrown;
  return { refused: thrown.code, message: thrown.message, metadata: thrown.metadata };
}
