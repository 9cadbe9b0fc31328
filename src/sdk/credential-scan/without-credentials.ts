import { credentialsIn } from "./credential-shapes.ts";
import { findCredentials } from "./find-credentials.ts";

/** A text with each token and private key replaced; where one is in an encoding, nothing of the text is left. */
export function withoutCredentials(text: string): string {
  let shown = text;
  for (const { from, to } of credentialsIn(text).toSorted((one, other) => other.from - one.from)) {
    shown = `${shown.slice(0, from)}[credential]${shown.slice(to)}`;
  }
  return findCredentials(shown).length === 0 ? shown : "[a text that held a credential]";
}
