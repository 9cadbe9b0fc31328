import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign } from "node:crypto";
import type { EnvelopeSigner } from "../../ports/envelope-signer.ts";
import { keepSecret } from "./secret-file.ts";

const FILE = "audit-records.key";

/**
 * Opens the key of audit records: PKCS #8 in a file of mode 0600 in the data directory, made on first use.
 *
 * @throws UnsafeFileError for a file that others could have read or made; the error of Node.js for one that holds no key
 */
export async function openEnvelopeSigner(directory: string): Promise<EnvelopeSigner> {
  const pkcs8 = await keepSecret(directory, FILE, () =>
    generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }),
  );
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey,
    keyId: hash("sha256", publicKey),
    sign: (encoded) => sign(null, encoded, key),
  };
}
