import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { PrincipalKeyStore } from "../../ports/principal-vault.ts";
import { keepSession, type PostgresPlace, type Session } from "./session.ts";

/** What the brokers of one log have in common, beside the log. */
export type CommonSecrets = {
  /**
   * The salt of principals' digests, 32 bytes.
   *
   * @param make - the one that is kept where there is none.
   * @throws BrokerError LEDGER_UNAVAILABLE
   */
  salt(make: () => Uint8Array): Promise<Uint8Array>;
  /** Throws BrokerError LEDGER_UNAVAILABLE. */
  readonly keys: PrincipalKeyStore;
  close(): void;
};

const COMMON_KEY = "SELECT value FROM stint.common_key WHERE name = $1";
const PUT_COMMON_KEY = "INSERT INTO stint.common_key (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const KEY_BYTES = 32;

const FIND = "SELECT content FROM stint.principal_key WHERE principal_id = $1";
const KEEP = "INSERT INTO stint.principal_key (principal_id, content) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const REMOVE = "DELETE FROM stint.principal_key WHERE principal_id = $1";

/** By a connection of its own, which is made with the first question, and anew where it broke. */
export function openCommonSecrets({
  passwordFile,
  ...place
}: PostgresPlace & { readonly passwordFile: string }): CommonSecrets {
  const kept = keepSession(place, () => passwordIn(passwordFile));

  async function find(principalId: string): Promise<Uint8Array | undefined> {
    const { rows } = await (await kept.session()).query<{ content: Buffer }>(FIND, [principalId]);
    return rows[0]?.content;
  }

  return {
    salt: async (make) => commonKey(await kept.session(), "principals", make),
    keys: {
      find,
      async keep(principalId, content) {
        await (await kept.session()).query(KEEP, [principalId, Buffer.from(content)]);
        // Another broker may have been first.
        return (await find(principalId)) ?? content;
      },
      async remove(principalId) {
        await (await kept.session()).query(REMOVE, [principalId]);
      },
    },
    close: kept.end,
  };
}

/** A key that all brokers of the log have the same of. Whoever comes first makes it. */
export async function commonKey(
  session: Session,
  name: string,
  make: () => Uint8Array = () => randomBytes(KEY_BYTES),
): Promise<Uint8Array> {
  const find = async () => (await session.query<{ value: Buffer }>(COMMON_KEY, [name])).rows[0]?.value;
  const known = await find();
  if (known !== undefined) return known;
  const made = make();
  await session.query(PUT_COMMON_KEY, [name, Buffer.from(made)]);
  return (await find()) ?? made;
}

/** Read with each connection, so that it may be replaced. */
export function passwordIn(passwordFile: string): string {
  return readFileSync(passwordFile, "utf8").replace(/\r?\n$/, "");
}
