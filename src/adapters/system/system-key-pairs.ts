import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { KeyPairs } from "../../ports/key-pairs.ts";

const generate = promisify(generateKeyPair);

/** Key pairs of OpenSSL, made off the event loop. */
export function systemKeyPairs(): KeyPairs {
  return {
    async generate() {
      const { publicKey, privateKey } = await generate("ec", {
        namedCurve: "P-256",
        publicKeyEncoding: { type: "spki", format: "der" },
        privateKeyEncoding: { type: "pkcs8", format: "der" },
      });
      return { publicKey: new Uint8Array(publicKey), privateKey: new Uint8Array(privateKey) };
    },
  };
}
