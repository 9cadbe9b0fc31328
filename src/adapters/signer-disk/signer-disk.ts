import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { KEY_FAMILIES, type KeyFamily } from "../../domain/authority.ts";
import { signedCrl } from "../../domain/crl.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../domain/ids.ts";
import { newAuthority } from "../../domain/new-authority.ts";
import { authorityIdOf } from "../../domain/public-key.ts";
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
import type { KeysElsewhere } from "./keys-elsewhere.ts";
import {
  checkPrivateDirectory,
  readPrivateFile,
  syncDirectory,
  UNFINISHED_SUFFIX,
  UnsafeFileError,
  writePrivateFile,
} from "./private-file.ts";

/** The family is in the file's name, so that a caller who names a key can't put it to another family's use. */
const KEY_FILE = new RegExp(`^(${KEY_FAMILIES.join("|")})\\.([0-9a-f]{40})\\.pem$`);

/** Families whose keys sign credentials. */
const OF_CREDENTIALS: ReadonlySet<KeyFamily> = new Set(["x509-svid", "jwt-svid", "wit-svid", "txn-token"]);

/** `key` is absent where nothing is signed here with it. */
type HeldKey = { readonly family: KeyFamily; readonly key?: KeyObject };

/**
 * Keeps each key in a PKCS#8 PEM file of mode 0600, named `<family>.<authority id>.pem`, in a directory of mode 0700
 * that holds nothing else. A missing directory is made; its parent must exist.
 *
 * @param options.elsewhere - takes the keys of credentials, with which nothing but CRLs is signed here then.
 * @throws UnsafeFileError for a directory or file that others could have read or made, or that is no key of its name
 */
export async function openDiskSigner(options: {
  readonly directory: string;
  readonly trustDomain: TrustDomain;
  readonly randomness: Randomness;
  readonly elsewhere?: KeysElsewhere;
}): Promise<Signer> {
  const { elsewhere } = options;
  const directory = resolve(options.directory);
  await makePrivateDirectory(directory);
  const keys = new Map<string, HeldKey>();
  for (const { authorityId, family, key } of await loadKeys(directory)) keep(authorityId, family, key);

  function keep(authorityId: string, family: KeyFamily, key: KeyObject): void {
    const isElsewhere = elsewhere !== undefined && OF_CREDENTIALS.has(family);
    if (isElsewhere) elsewhere.put(authorityId, family, key);
    keys.set(authorityId, isElsewhere && family !== "x509-svid" ? { family } : { family, key });
  }

  async function signEvent(authorityId: string, signable: (key: KeyName) => Uint8Array): Promise<string> {
    const { family, key } = keys.get(authorityId) ?? {};
    if (family === undefined || key === undefined) throw unsigned(`no key of authority ${authorityId}`);
    const toBeSigned = signable({ authorityId, family });
    return signedEventToken(toBeSigned, await signApart(toBeSigned, key));
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
      const pem = privateKey.export({ type: "pkcs8", format: "pem" });
      try {
        await writePrivateFile(directory, fileNameOf(family, authority.authorityId), pem);
      } catch (thrown) {
        throw unsigned("a new key could not be written", thrown);
      }
      keep(authority.authorityId, family, privateKey);
      return authority;
    },

    holds: (authorityId) => keys.has(authorityId),
    held: (family) => [...keys].filter(([, one]) => one.family === family).map(([authorityId]) => authorityId),

    async signSvid(recorded) {
      const { authorityId } = recorded.authority;
      const { family, key } = keys.get(authorityId) ?? {};
      if (elsewhere !== undefined) throw unsigned("credentials are signed elsewhere");
      if (family === undefined || key === undefined) throw unsigned(`no key of authority ${authorityId}`);
      checkSignable(recorded, { authorityId, family });
      return sign("sha256", recorded.toBeSigned, key);
    },

    async signCrl(authority, facts) {
      const { family, key } = keys.get(authority.authorityId) ?? {};
      if (family === undefined || key === undefined) throw unsigned(`no key of authority ${authority.authorityId}`);
      const toBeSigned = signableCrl(authority, family, facts);
      return signedCrl(toBeSigned, sign("sha256", toBeSigned, key));
    },

    signStatusList: (authorityId, facts) => signEvent(authorityId, (key) => signableStatusList(key, facts)),
    signSecurityEvent: (authorityId, facts) => signEvent(authorityId, (key) => signableSecurityEvent(key, facts)),
    signFeedMessage: (authorityId, facts) => signEvent(authorityId, (key) => signableFeedMessage(key, facts)),

    async destroy(authorityId) {
      const held = keys.get(authorityId);
      if (held === undefined) return;
      keys.delete(authorityId);
      elsewhere?.drop(authorityId);
      await rm(join(directory, fileNameOf(held.family, authorityId)), { force: true });
      await syncDirectory(directory);
    },
  };
}

/** In a thread of Node's pool: what is signed for everybody who asks must not hold up who is issued something. */
function signApart(toBeSigned: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign("sha256", toBeSigned, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  });
}

function fileNameOf(family: KeyFamily, authorityId: string): string {
  return `${family}.${authorityId}.pem`;
}

async function makePrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
    await syncDirectory(dirname(directory));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
  await checkPrivateDirectory(directory);
}

type LoadedKey = { readonly authorityId: string; readonly family: KeyFamily; readonly key: KeyObject };

async function loadKeys(directory: string): Promise<readonly LoadedKey[]> {
  const keys: LoadedKey[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.endsWith(UNFINISHED_SUFFIX)) {
      await rm(path);
      continue;
    }
    const [, family, authorityId] = KEY_FILE.exec(name) ?? [];
    // A copy of a key under another name would stay when the key is destroyed.
    if (family === undefined || authorityId === undefined) throw new UnsafeFileError(path, "not a key of ours");
    keys.push({ authorityId, family: family as KeyFamily, key: await loadKey(path, authorityId) });
  }
  return keys;
}

async function loadKey(path: string, authorityId: string): Promise<KeyObject> {
  const pem = await readPrivateFile(path);
  try {
    const key = createPrivateKey(pem);
    const publicKey = createPublicKey(key).export({ type: "spki", format: "der" });
    if (authorityIdOf(publicKey) === authorityId) return key;
  } catch {
    // A file that is no key is told by its path alone: the reason may quote the content.
  }
  throw new UnsafeFileError(path, "not the private key that its name says");
}
