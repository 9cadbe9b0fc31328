import type { Decided } from "../decide/decide.ts";
import type { DenialLayer } from "../domain/denial-details.ts";
import { nameRefused } from "../issue/asked-grant.ts";

/** What stands in the way, in words, by who refused. */
const WORDS = {
  ceiling: "above the agent's ceiling",
  parent: "above the parent step's grant",
  policy: "refused by policy",
} as const satisfies Record<DenialLayer, string>;

/**
 * What the caller is told of a decision that denies an opening: who refused, and which elements. Policies are named to
 * operators alone.
 *
 * @param options.isDelegated - by a token, which may pass on a part of the parent's grant.
 */
export function denialText(
  { decision, refusers, refusesWhole }: Pick<Decided, "decision" | "refusers" | "refusesWhole">,
  { isDelegated }: { readonly isDelegated: boolean },
): string {
  const { approval, policyErrors, refused } = decision;
  const names = nameRefused(refused);
  if (approval !== undefined) return named(`held back until ${approval} approve it (accept_pending)`, names);
  const words = { ...WORDS, ...(isDelegated && { parent: BY_TOKEN }) };
  // Of what policies refuse as a whole each element is refused by them, but for those that never came to them.
  const layers = new Set<DenialLayer>(refusers.filter((refuser) => refuser !== undefined));
  if (refusesWhole || layers.size === 0) layers.add("policy");
  const said = (["ceiling", "parent", "policy"] as const).filter((layer) => layers.has(layer));
  const who = said.map((layer) => (layer === "policy" ? byPolicy(refusesWhole, policyErrors) : words[layer]));
  return named(who.join(", and "), names);
}

/** What the caller is told of where to go from here. Not recorded: the denial is known by its id there. */
export function withNextStep(text: string, decisionId: string): string {
  return `${text}; an operator sees why, and what would pass: stint explain ${decisionId}`;
}

const BY_TOKEN = "above what the delegation token passes on of the parent's grant";

function byPolicy(refusesWhole: boolean, policyErrors: readonly string[] | undefined): string {
  if (policyErrors !== undefined) return "a policy could not be evaluated";
  return refusesWhole ? `${WORDS.policy}, whatever the step asks for` : WORDS.policy;
}

function named(who: string, names: string): string {
  return names === "" ? who : `${who}: ${names}`;
}
