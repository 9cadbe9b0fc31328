import { isCompactJws } from "./jws.ts";

/** Names, to a child, the number of the descriptor that brings its credentials. */
export const CREDENTIAL_FD_VARIABLE = "STINT_CREDENTIAL_FD";

/** One credential, as it is brought to a child. */
export type CredentialLine = { readonly audience: string; readonly token: string; readonly expiresAt: Date };

/** JSON on one line, with the line feed. The instant as everywhere in the output of `stint`: RFC 3339, in UTC. */
export function formatCredentialLine({ audience, token, expiresAt }: CredentialLine): string {
  return `${JSON.stringify({ audience, token, expires_at: expiresAt.toISOString() })}\n`;
}

/** What a line says, without its line feed; `undefined` for one that is none. Members that are not known are passed over. */
export function credentialLineFrom(line: string): CredentialLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { audience, token, expires_at: until } = value as Readonly<Record<string, unknown>>;
  if (typeof audience !== "string" || typeof token !== "string" || typeof until !== "string") return undefined;
  const expiresAt = new Date(until);
  return isCompactJws(token) && !Number.isNaN(expiresAt.getTime()) ? { audience, token, expiresAt } : undefined;
}
