import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { BridgeRefusal } from "./bridge-refusal.ts";

/** 256 bits: nobody guesses it, however many try. */
const SECRET_BYTES = 32;
const BEARER = /^Bearer +([\w-]+)$/i;

/** Lets in whoever has the secret, and no page of a browser, which could have been made to ask. */
export type Admission = {
  /** What `Authorization` has to say. */
  readonly authorization: string;
  /** Whether this holds the secret. */
  isIn(bytes: Uint8Array): boolean;
  /**
   * @param authority - where the bridge listens, as `Host` has it.
   * @throws BridgeRefusal HOST_REFUSED, ORIGIN_REFUSED, SECRET_INVALID
   */
  check(headers: Headers, authority: string): void;
};

/** With a secret of its own, which ends with the process. */
export function createAdmission(): Admission {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const digest = sha256(secret);
  return {
    authorization: `Bearer ${secret}`,
    isIn: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(secret),
    check(headers, authority) {
      // A page whose name was made to point here says its own name.
      if (headers.get("host") !== authority) {
        throw new BridgeRefusal("HOST_REFUSED", "the bridge is called by its address and port alone");
      }
      const origin = headers.get("origin");
      if (origin !== null && origin !== `http://${authority}`) {
        throw new BridgeRefusal("ORIGIN_REFUSED", "the bridge is not for web pages");
      }
      const given = BEARER.exec(headers.get("authorization") ?? "")?.[1] ?? "";
      // Digests have one length, and how much of them is equal says nothing of the secret.
      if (!timingSafeEqual(sha256(given), digest)) {
        throw new BridgeRefusal(
          "SECRET_INVALID",
          "Authorization must be what the bridge's configuration says; the client's own credentials are of no use here",
        );
      }
    },
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
