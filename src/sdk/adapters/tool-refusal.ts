import { withoutCredentials } from "../credential-scan/without-credentials.ts";
import { type RefusalFacts, refusalFactsOf, stintErrorIn } from "./refusal-facts.ts";
import { refusalSentence } from "./refusal-sentence.ts";

/** A call that was refused. The message is for the model; `refusal` for programs. Neither holds a credential or another's text. */
export class ToolRefusal extends Error {
  override readonly name = "ToolRefusal";
  readonly refusal: RefusalFacts;

  constructor(refusal: RefusalFacts, options: { readonly cause?: unknown } = {}) {
    super(withoutCredentials(refusalSentence(refusal)), options);
    this.refusal = refusal;
  }
}

/**
 * What the work of a call threw, as a refusal.
 *
 * @returns `undefined` where nobody refused: the tool itself failed. Never throws.
 */
export function toolRefusalOf(thrown: unknown, tool: string): ToolRefusal | undefined {
  if (thrown instanceof ToolRefusal) return thrown;
  const facts = refusalFactsOf(thrown, tool);
  if (facts === undefined) return undefined;
  // What clients of servers throw may hold a whole answer; of ours alone it is known what is in it.
  const cause = stintErrorIn(thrown);
  return new ToolRefusal(facts, cause === undefined ? {} : { cause });
}
