import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { KeyPair, KeyPairs } from "../../ports/key-pairs.ts";

const generate = promisify(generateKeyPair);

/**
 * Key pairs of OpenSSL, made off the event loop. From the first one on, the next is made while nobody waits for it: each is
 * given to one caller alone.
 */
export function systemKeyPairs(): KeyPairs {
  let ahead: Promise<KeyPair> | undefined;
  return {
    generate() {
      const next = ahead ?? newPair();
      ahead = newPair();
      // Whoever is given it is told.
      ahead.catch(() => undefined);
      return next;
    },
  };
}

async function newPair(): Promise<KeyPair> {
  const { publicKey, privateKey } = await generate("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "der" },
  });
  return { publicKey: new Uint8Array(publicKey), privateKey: new Uint8Array(privateKey) };
}
