import { inspect } from "node:util";
import { isCompactJws } from "./jws.ts";
import { StintError } from "./stint-error.ts";

/** What is shown of a token in place of itself. */
type Shown<Facts, Json> = {
  /** Name of the type, and in brackets what tells this token from others: `TxnToken(https://mcp.example.org/mcp)`. */
  readonly name: string;
  /** Members that everybody may see. */
  readonly facts: Facts;
  /** Those of them that are serialized, beside the expiry. */
  readonly json: Json;
};

type Printed<Json> = { toString(): string; toJSON(): Json & { readonly expiresAt: string } };

/**
 * An object for a token that no print of the object shows.
 *
 * @param shown.what - as an error names it: `the broker's answer holds no transaction token`.
 * @param members - functions, which alone give the token away, or make something of it.
 * @throws StintError BROKER_FAILED when the text is no JWS compact serialization: put into a header it would come back in
 *   the text of an error
 */
export function concealedToken<Facts extends { readonly expiresAt: Date }, Json extends object, Members extends object>(
  token: string,
  { what, ...shown }: Shown<Facts, Json> & { readonly what: string },
  members: Members,
): Readonly<Facts & Members & Printed<Json>> {
  if (!isCompactJws(token)) throw new StintError("BROKER_FAILED", `the broker's answer holds no ${what}`);
  return concealed(shown, members);
}

/**
 * An object for a secret that no print of the object shows. The secret is held by closures: an inspector that shows hidden
 * or private members still finds functions only.
 *
 * @param members - functions, which alone give the secret away, or make something of it.
 */
export function concealed<Facts extends { readonly expiresAt: Date }, Json extends object, Members extends object>(
  { name, facts, json }: Shown<Facts, Json>,
  members: Members,
): Readonly<Facts & Members & Printed<Json>> {
  const expiresAt = facts.expiresAt.toISOString();
  const printed = { [inspect.custom]: () => `${name} until ${expiresAt}` };
  return Object.freeze({
    ...facts,
    ...printed,
    ...members,
    toString: () => name,
    toJSON: () => ({ ...json, expiresAt }),
  });
}
