import { canonicalText } from "./canonical-json.ts";
import type { DataClasses } from "./data-classes.ts";
import { sha256Hex } from "./digest.ts";

/** One policy, with where it was read from. */
export type Policy = {
  /** Unique in its set, e.g. `baseline.no-writes-with-secrets`. */
  readonly policyId: string;
  /** The file's name, without its folder. */
  readonly file: string;
  /** Line of the file at which the text begins, from 1. */
  readonly line: number;
  /** In the language of the engine, at most `LIMITS.policyBytesMax`. */
  readonly text: string;
};

/** What is in force together. */
export type PolicySet = {
  /** Sorted by id. */
  readonly policies: readonly Policy[];
  readonly dataClasses: DataClasses;
};

/** A set as the ledger knows it. Versions are dense, from 1, and are kept. */
export type RecordedPolicySet = PolicySet & {
  readonly version: number;
  readonly root: string;
  /** Where it came from: the configuration at a start of the broker, or an operator. */
  readonly origin: "config" | "api";
};

/** SHA-256 of a policy with its id and its place, hexadecimal. */
export function digestOfPolicy({ policyId, file, line, text }: Policy): string {
  return sha256Hex(canonicalText({ policyId, file, line, text }));
}

/** The policies as a set has them: by their ids. */
export function inOrder(policies: readonly Policy[]): readonly Policy[] {
  return policies.toSorted((a, b) => (a.policyId < b.policyId ? -1 : a.policyId > b.policyId ? 1 : 0));
}

/**
 * What stands for a whole set: two sets with the same root decide alike.
 *
 * @param digests - of the policies, in the order of their ids.
 * @returns SHA-256, hexadecimal
 */
export function rootOfSet(digests: readonly string[], dataClasses: DataClasses): string {
  return sha256Hex(canonicalText({ policies: digests, dataClasses }));
}

/** What a decision was made by: an agent's entry, as it was, and the set with this root. SHA-256, hexadecimal. */
export function policyDigestOf(
  { entryId, revision }: { readonly entryId: string; readonly revision: number },
  root: string,
): string {
  return sha256Hex(`${entryId}@${revision}\n${root}`);
}
