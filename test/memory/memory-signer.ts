import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { KeyFamily } from "../../src/domain/authority.ts";
import { signedCrl } from "../../src/domain/crl.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../src/domain/ids.ts";
import { newAuthority } from "../../src/domain/new-authority.ts";
import {
  checkSignable,
  type KeyName,
  signableCrl,
  signableFeedMessage,
  signableSecurityEvent,
  signableStatusList,
  signedEventToken,
  unsigned,
} from "../../src/domain/signable.ts";
import type { TrustDomain } from "../../src/domain/spiffe-id.ts";
import type { RecordedDraft } from "../../src/domain/stages.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import type { Signer } from "../../src/ports/signer.ts";

/** With the same keys, signs for a ledger what that has committed. */
export type MemorySigner = Signer & { readonly committed: CommitSigner };

/** Keeps the keys in this process only: for `stint dev` and tests. What it made is gone when the process is. */
export function memorySigner(options: {
  readonly trustDomain: TrustDomain;
  readonly randomness: Randomness;
}): MemorySigner {
  const keys = new Map<string, { readonly family: KeyFamily; readonly key: KeyObject }>();

  function signBy(authorityId: string, recorded: RecordedDraft): Uint8Array {
    const held = keys.get(authorityId);
    if (held === undefined) throw unsigned(`no key of authority ${authorityId}`);
    checkSignable(recorded, { authorityId, family: held.family });
    return sign("sha256", recorded.toBeSigned, held.key);
  }

  async function signEvent(authorityId: string, signable: (key: KeyName) => Uint8Array): Promise<string> {
    const held = keys.get(authorityId);
    if (held === undefined) throw unsigned(`no key of authority ${authorityId}`);
    const toBeSigned = signable({ authorityId, family: held.family });
    return signedEventToken(toBeSigned, sign("sha256", toBeSigned, held.key));
  }

  return {
    async create(family, validity) {
      const { publicKey, privateKey } =
        family === "ledger" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
      const serialNumber = newSerialNumber(options.randomness.bytes(SERIAL_NUMBER_RANDOM_BYTES));
      const authority = newAuthority(
        {
          family,
          publicKey: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
          trustDomain: options.trustDomain,
          serialNumber: Buffer.from(serialNumber, "hex"),
          ...validity,
        },
        (toBeSigned) => sign("sha256", toBeSigned, privateKey),
      );
      keys.set(authority.authorityId, { family, key: privateKey });
      return authority;
    },

    holds: (authorityId) => keys.has(authorityId),
    held: (family) => [...keys].filter(([, one]) => one.family === family).map(([authorityId]) => authorityId),

    async signSvid(recorded) {
      return signBy(recorded.authority.authorityId, recorded);
    },

    committed: { sign: (recorded) => signBy(recorded.record.authorityId, recorded) },

    async signCrl(authority, facts) {
      const held = keys.get(authority.authorityId);
      if (held === undefined) throw unsigned(`no key of authority ${authority.authorityId}`);
      const toBeSigned = signableCrl(authority, held.family, facts);
      return signedCrl(toBeSigned, sign("sha256", toBeSigned, held.key));
    },

    signStatusList: (authorityId, facts) => signEvent(authorityId, (key) => signableStatusList(key, facts)),
    signSecurityEvent: (authorityId, facts) => signEvent(authorityId, (key) => signableSecurityEvent(key, facts)),
    signFeedMessage: (authorityId, facts) => signEvent(authorityId, (key) => signableFeedMessage(key, facts)),

    async destroy(authorityId) {
      keys.delete(authorityId);
    },
  };
}
