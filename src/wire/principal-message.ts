import { checkPrincipalName, type PrincipalName } from "../domain/principal.ts";

/** @throws BrokerError INVALID_FIELD */
export function principalNameOf(
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  field: string,
): PrincipalName {
  return checkPrincipalName({ iss: issuer, sub: subject }, field);
}
