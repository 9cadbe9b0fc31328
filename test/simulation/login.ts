import { BrokerError } from "../../src/domain/errors.ts";
import type { PrincipalTokens } from "../../src/ports/principal-tokens.ts";
import { PRINCIPALS } from "./cast.ts";

/** Stands where the issuers of principals' tokens stand: a token is the name of whom it is for. */
export function createLogin(): PrincipalTokens {
  function nameIn(token: string) {
    const found = PRINCIPALS.find(({ sub }) => sub === token);
    if (found === undefined) throw new BrokerError("INVALID_FIELD", "principal_token: a token");
    return found;
  }
  return { nameIn, verify: async (token) => ({ ...nameIn(token), claims: {} }) };
}
