import type { Handle, PKCS11 } from "pkcs11js";
import { KEY_FAMILIES, type KeyFamily } from "../../domain/authority.ts";
import { TAG } from "../../domain/der.ts";
import { DerError, parseDer } from "../../domain/der-reader.ts";
import { authorityIdOf } from "../../domain/public-key.ts";
import type { Cryptoki } from "./cryptoki.ts";

/** A key pair in the token: the private half signs, and never leaves the token. */
export type TokenKey = {
  readonly authorityId: string;
  readonly family: KeyFamily;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly privateHandle: Handle;
};

/** The keys of one trust domain in a token, as one session sees them. */
export type TokenKeys = {
  /** Every key of ours, by its id. Keys that a crash left half made are destroyed. */
  find(): ReadonlyMap<string, TokenKey>;
  /** Makes a key pair, which `find` finds from then on. */
  generate(family: KeyFamily): TokenKey;
  destroy(authorityId: string): void;
};

/** ECParameters, DER: the OID of P-256, and the name of edwards25519 as PKCS #11 3.0 section 6.3.3 has it. */
const P256_PARAMETERS = Buffer.from("06082a8648ce3d030107", "hex");
const ED25519_PARAMETERS = Buffer.from("130c656477617264733235353139", "hex");
/** A mechanism of PKCS #11 3.0 that the binding does not know. */
const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;

/** The bytes of a SubjectPublicKeyInfo before the point. */
const P256_HEADER = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const ED25519_HEADER = Buffer.from("302a300506032b6570032100", "hex");

const OBJECTS_MAX = 1_000;

/**
 * A key is two objects, both labelled `stint:<trust domain>:<family>`, both with the authority's id as CKA_ID. Until
 * that id is known, both objects are labelled as unfinished.
 */
export function tokenKeys(
  cryptoki: Cryptoki,
  { module, session, trustDomain }: { readonly module: PKCS11; readonly session: Handle; readonly trustDomain: string },
): TokenKeys {
  const labelOf = (family: KeyFamily | "unfinished") => `stint:${trustDomain}:${family}`;

  function objects(template: readonly { readonly type: number; readonly value: number | string | Buffer }[]) {
    module.C_FindObjectsInit(session, [...template]);
    try {
      return module.C_FindObjects(session, OBJECTS_MAX);
    } finally {
      module.C_FindObjectsFinal(session);
    }
  }

  function attribute(object: Handle, type: number): Buffer {
    return module.C_GetAttributeValue(session, object, [{ type }])[0]?.value ?? Buffer.alloc(0);
  }

  function halves(label: string, id?: Buffer) {
    const named = [
      { type: cryptoki.CKA_LABEL, value: label },
      ...(id === undefined ? [] : [{ type: cryptoki.CKA_ID, value: id }]),
    ];
    return {
      privates: objects([{ type: cryptoki.CKA_CLASS, value: cryptoki.CKO_PRIVATE_KEY }, ...named]),
      publics: objects([{ type: cryptoki.CKA_CLASS, value: cryptoki.CKO_PUBLIC_KEY }, ...named]),
    };
  }

  function publicKeyOf(family: KeyFamily, publicHandle: Handle): Uint8Array {
    const header = family === "ledger" ? ED25519_HEADER : P256_HEADER;
    return new Uint8Array(Buffer.concat([header, pointOf(attribute(publicHandle, cryptoki.CKA_EC_POINT))]));
  }

  function destroyAll(label: string, id?: Buffer): void {
    const { privates, publics } = halves(label, id);
    // The private half first: a public half that is left over does no harm.
    for (const object of [...privates, ...publics]) module.C_DestroyObject(session, object);
  }

  function find(): ReadonlyMap<string, TokenKey> {
    destroyAll(labelOf("unfinished"));
    const found = new Map<string, TokenKey>();
    for (const family of KEY_FAMILIES) {
      for (const privateHandle of halves(labelOf(family)).privates) {
        const id = attribute(privateHandle, cryptoki.CKA_ID);
        const [publicHandle] = halves(labelOf(family), id).publics;
        if (publicHandle === undefined) continue;
        const publicKey = publicKeyOf(family, publicHandle);
        const authorityId = id.toString("hex");
        // A key under another key's id could be put to the other key's use.
        if (isOfKey(publicKey, authorityId)) found.set(authorityId, { authorityId, family, publicKey, privateHandle });
      }
    }
    return found;
  }

  return {
    find,
    generate(family) {
      const isEdwards = family === "ledger";
      const mechanism = isEdwards ? CKM_EC_EDWARDS_KEY_PAIR_GEN : cryptoki.CKM_EC_KEY_PAIR_GEN;
      const inToken = [
        { type: cryptoki.CKA_TOKEN, value: true },
        { type: cryptoki.CKA_LABEL, value: labelOf("unfinished") },
      ];
      const { publicKey: publicHandle, privateKey: privateHandle } = module.C_GenerateKeyPair(
        session,
        { mechanism },
        [
          ...inToken,
          { type: cryptoki.CKA_EC_PARAMS, value: isEdwards ? ED25519_PARAMETERS : P256_PARAMETERS },
          { type: cryptoki.CKA_VERIFY, value: true },
        ],
        [
          ...inToken,
          { type: cryptoki.CKA_PRIVATE, value: true },
          { type: cryptoki.CKA_SENSITIVE, value: true },
          { type: cryptoki.CKA_EXTRACTABLE, value: false },
          { type: cryptoki.CKA_SIGN, value: true },
        ],
      );
      const publicKey = publicKeyOf(family, publicHandle);
      const authorityId = authorityIdOf(publicKey);
      // The public half first: after a crash in between, the private half is still labelled as unfinished, and is
      // destroyed.
      for (const object of [publicHandle, privateHandle]) {
        module.C_SetAttributeValue(session, object, [
          { type: cryptoki.CKA_ID, value: Buffer.from(authorityId, "hex") },
          { type: cryptoki.CKA_LABEL, value: labelOf(family) },
        ]);
      }
      return { authorityId, family, publicKey, privateHandle };
    },
    destroy(authorityId) {
      const id = Buffer.from(authorityId, "hex");
      for (const family of KEY_FAMILIES) destroyAll(labelOf(family), id);
    },
  };
}

/** CKA_EC_POINT is the point in an OCTET STRING; some tokens leave the wrapping out. */
function pointOf(value: Buffer): Uint8Array {
  try {
    return parseDer(value, TAG.octetString).content;
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    return value;
  }
}

function isOfKey(publicKey: Uint8Array, authorityId: string): boolean {
  try {
    return authorityIdOf(publicKey) === authorityId;
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    return false;
  }
}
