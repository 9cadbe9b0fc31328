import { base64urlOf } from "../domain/base64url.ts";
import { sha256Hex } from "../domain/digest.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import type { Randomness } from "../ports/randomness.ts";

/** Long enough to be carried to a machine that is being set up, short enough not to be left lying about. */
export const JOIN_TOKEN_TTL_SECONDS = { min: 30, default: 600, max: 3_600 } as const;

const SECRET_BYTES = 32;
/** The name, and 32 bytes in base64url. */
const JOIN_TOKEN = /^stint-join-([A-Za-z0-9._-]{1,128})-[A-Za-z0-9_-]{43}$/;

/**
 * A new join token: `stint-join-<name>-<secret>`. The text tells people and scanners of leaked secrets what it is, and
 * tells a broker before the token is spent which entry it is for. The digest is over the whole token, so that the name
 * is proved with the secret.
 */
export function newJoinToken(name: Segment, random: Randomness): string {
  return `stint-join-${name}-${base64urlOf(random.bytes(SECRET_BYTES))}`;
}

/** The digest by which the ledger knows a join token. */
export function digestOfJoinToken(token: string): string {
  return sha256Hex(token);
}

/** The name in a join token; `undefined` for another text. The name proves nothing until the token is spent. */
export function nameInJoinToken(token: string): Segment | undefined {
  const [, name] = JOIN_TOKEN.exec(token) ?? [];
  return name as Segment | undefined;
}
