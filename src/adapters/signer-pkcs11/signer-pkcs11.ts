import { createHash } from "node:crypto";
import type { Handle, PKCS11 } from "pkcs11js";
import { signedCrl } from "../../domain/crl.ts";
import { derFromP1363 } from "../../domain/ecdsa-signature.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../domain/ids.ts";
import { newAuthority } from "../../domain/new-authority.ts";
import {
  checkSignable,
  type KeyName,
  signableCrl,
  signableFeedMessage,
  signableSecurityEvent,
  signableStatusList,
  signedEventToken,
  unsigned,
} from "../../domain/signable.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { Signer } from "../../ports/signer.ts";
import { type Cryptoki, loadCryptoki, returnValueOf, unusable } from "./cryptoki.ts";
import { createSessionPool } from "./session-pool.ts";
import { type TokenKey, tokenKeys } from "./token-keys.ts";

export type Pkcs11Options = {
  /** Path of the module's shared library. */
  readonly module: string;
  readonly tokenLabel: string;
  /** The PIN of the token's user. Kept nowhere. */
  readonly pin: string;
  readonly trustDomain: TrustDomain;
  readonly randomness: Randomness;
};

/** Signatures under way at one time; a module in hardware takes a millisecond or more for each. */
const SIGNING_SESSIONS = 4;
/** Two integers of 32 bytes; a token asks for a buffer of this size before it signs. */
const SIGNATURE_BYTES = 64;

/**
 * Keeps the keys in a PKCS #11 token. Keys are made there, are sensitive and not extractable, and are found again by
 * their label and id. The token must be this broker's alone: keys of this trust domain that the ledger does not know
 * are destroyed.
 *
 * `close` logs out and unloads the module.
 *
 * @throws BrokerError AUTHORITY_UNAVAILABLE, saying in `detail` what stands in the way, for the operator
 */
export function openPkcs11Signer(options: Pkcs11Options): { readonly signer: Signer; readonly close: () => void } {
  const cryptoki = loadCryptoki();
  const module = new cryptoki.PKCS11();
  const close = () => {
    try {
      module.C_Finalize();
    } finally {
      module.close();
    }
  };
  try {
    module.load(options.module);
  } catch {
    throw unusable("the module can't be loaded");
  }
  try {
    module.C_Initialize({ flags: cryptoki.CKF_OS_LOCKING_OK });
    return { signer: signerOf(cryptoki, module, options), close };
  } catch (thrown) {
    close();
    throw thrown instanceof cryptoki.NativeError ? unusable(returnValueOf(thrown)) : thrown;
  }
}

function signerOf(cryptoki: Cryptoki, module: PKCS11, { tokenLabel, pin, ...options }: Pkcs11Options): Signer {
  const slot = slotOf(module, tokenLabel);
  const flags = cryptoki.CKF_SERIAL_SESSION | cryptoki.CKF_RW_SESSION;
  const session = module.C_OpenSession(slot, flags);
  // Logs in all sessions of this process, present and future.
  module.C_Login(session, cryptoki.CKU_USER, pin);
  const keysInToken = tokenKeys(cryptoki, { module, session, trustDomain: options.trustDomain });
  const keys = new Map<string, TokenKey>(keysInToken.find());
  const inSession = createSessionPool(
    Array.from({ length: SIGNING_SESSIONS }, () => module.C_OpenSession(slot, cryptoki.CKF_SERIAL_SESSION)),
  );
  const ecdsa = { mechanism: cryptoki.CKM_ECDSA };

  function keyOf(authorityId: string): TokenKey {
    const key = keys.get(authorityId);
    if (key === undefined) throw unsigned(`no key of authority ${authorityId}`);
    return key;
  }

  /** ECDSA with SHA-256. The digest is made here: many tokens know only the bare signature. */
  async function sign({ privateHandle }: TokenKey, toBeSigned: Uint8Array): Promise<Uint8Array> {
    const digest = createHash("sha256").update(toBeSigned).digest();
    return inSession(async (signing) => {
      try {
        module.C_SignInit(signing, ecdsa, privateHandle);
        return derFromP1363(await module.C_SignAsync(signing, digest, Buffer.alloc(SIGNATURE_BYTES)));
      } catch (thrown) {
        throw unsigned(returnValueOf(thrown));
      }
    });
  }

  /** Signs the certificate of a key that is being made, synchronously: nothing else waits for the new key. */
  function signOwnCertificate({ privateHandle }: TokenKey, toBeSigned: Uint8Array): Uint8Array {
    const digest = createHash("sha256").update(toBeSigned).digest();
    module.C_SignInit(session, ecdsa, privateHandle);
    return derFromP1363(module.C_Sign(session, digest, Buffer.alloc(SIGNATURE_BYTES)));
  }

  async function signEvent(authorityId: string, signable: (key: KeyName) => Uint8Array): Promise<string> {
    const key = keyOf(authorityId);
    const toBeSigned = signable(key);
    return signedEventToken(toBeSigned, await sign(key, toBeSigned));
  }

  return {
    async create(family, validity) {
      const serialNumber = newSerialNumber(options.randomness.bytes(SERIAL_NUMBER_RANDOM_BYTES));
      try {
        const key = keysInToken.generate(family);
        const authority = newAuthority(
          {
            family,
            publicKey: key.publicKey,
            trustDomain: options.trustDomain,
            serialNumber: Buffer.from(serialNumber, "hex"),
            ...validity,
          },
          (toBeSigned) => signOwnCertificate(key, toBeSigned),
        );
        keys.set(key.authorityId, key);
        return authority;
      } catch (thrown) {
        throw unsigned(`a new key could not be made: ${returnValueOf(thrown)}`);
      }
    },

    holds: (authorityId) => keys.has(authorityId),
    held: (family) => [...keys.values()].filter((one) => one.family === family).map(({ authorityId }) => authorityId),

    async signSvid(recorded) {
      const key = keyOf(recorded.authority.authorityId);
      checkSignable(recorded, key);
      return sign(key, recorded.toBeSigned);
    },

    async signCrl(authority, facts) {
      const key = keyOf(authority.authorityId);
      const toBeSigned = signableCrl(authority, key.family, facts);
      return signedCrl(toBeSigned, await sign(key, toBeSigned));
    },

    signStatusList: (authorityId, facts) => signEvent(authorityId, (key) => signableStatusList(key, facts)),
    signSecurityEvent: (authorityId, facts) => signEvent(authorityId, (key) => signableSecurityEvent(key, facts)),
    signFeedMessage: (authorityId, facts) => signEvent(authorityId, (key) => signableFeedMessage(key, facts)),

    async destroy(authorityId) {
      if (!keys.delete(authorityId)) return;
      try {
        keysInToken.destroy(authorityId);
      } catch (thrown) {
        throw unsigned(`a key could not be destroyed: ${returnValueOf(thrown)}`);
      }
    },
  };
}

/** @throws BrokerError AUTHORITY_UNAVAILABLE unless exactly one token has this label */
function slotOf(module: PKCS11, tokenLabel: string): Handle {
  const slots = module.C_GetSlotList(true).filter((slot) => module.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel);
  const [slot] = slots;
  if (slot === undefined) throw unusable("no token has the configured label");
  if (slots.length > 1) throw unusable("more than one token has the configured label");
  return slot;
}
