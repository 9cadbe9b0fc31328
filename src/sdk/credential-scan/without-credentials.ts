import { credentialsIn } from "./credential-shapes.ts";
import { findCredentials } from "./find-credentials.ts";

/** A text with each token and private key replaced; where one is in an encoding, nothing of the text is left. */
export function withoutCredentials(text: string): string {
  const pieces: string[] = [];
  let shownTo = 0;
  // One may stand in another: the text goes on after the one that ends last.
  for (const { from, to } of credentialsIn(text).toSorted((one, other) => one.from - other.from)) {
    if (from >= shownTo) pieces.push(text.slice(shownTo, from), "[credential]");
    shownTo = Math.max(shownTo, to);
  }
  const shown = [...pieces, text.slice(shownTo)].join("");
  return findCredentials(shown).length === 0 ? shown : "[a text that held a credential]";
}
