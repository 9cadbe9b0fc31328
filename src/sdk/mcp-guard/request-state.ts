import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { invalidField } from "../../domain/errors.ts";
import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import type { VerifiedStep } from "../verifier/index.ts";
import type { JsonRpcMessage } from "./json-rpc-message.ts";
import { REFUSAL_CODES, refusal } from "./refusal.ts";

/**
 * Seals what a server has its client keep for it until the client asks again: for the step's attempt, and for the request that
 * it was given in answer to.
 *
 * @see MCP 2026-07-28, multi round-trip requests, server requirements 4 and 5
 */
export type RequestStates = {
  /** Changes a result that has such a state. */
  sealed(result: JsonObject, message: JsonRpcMessage, caller: VerifiedStep): JsonObject;
  /** The message as its server has to see it; `undefined` where its state was not sealed here for this caller and request. */
  opened(message: JsonRpcMessage, caller: VerifiedStep): JsonRpcMessage | undefined;
};

/** The member of results and of parameters. */
const STATE = "requestState";
/** A result in which this text is not has no state; another spelling of it would not be sealed, and so be refused. */
export const STATE_TEXT = `"${STATE}"`;

const CIPHER = "aes-256-gcm";
const KEY_BYTES_MIN = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * @param secret - at least 32 bytes, the same for all processes behind one name. Absent: of this process, so that what it has
 *   sealed is refused once it is gone.
 * @throws BrokerError INVALID_FIELD
 */
export function createRequestStates(secret: Uint8Array = randomBytes(KEY_BYTES_MIN)): RequestStates {
  if (!(secret.length >= KEY_BYTES_MIN)) throw invalidField("requestStateSecret", `${KEY_BYTES_MIN} bytes or more`);
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "stint mcp requestState", KEY_BYTES_MIN));

  function seal(state: string, terms: Buffer): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(terms);
    const sealed = [nonce, cipher.update(state, "utf8"), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(sealed).toString("base64url");
  }

  function open(text: string, terms: Buffer): string | undefined {
    const sealed = Buffer.from(text, "base64url");
    // One seal has one spelling.
    if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.toString("base64url") !== text) return undefined;
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(terms).setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
    } catch {
      return undefined;
    }
  }

  return {
    sealed(result, message, caller) {
      const state = result[STATE];
      return typeof state === "string" ? { ...result, [STATE]: seal(state, termsOf(message, caller)) } : result;
    },
    opened(message, caller) {
      const { [STATE]: given, ...rest } = message.params;
      if (given === undefined) return message;
      const state = typeof given === "string" ? open(given, termsOf(message, caller)) : undefined;
      if (state === undefined || !isObject(message.body)) return undefined;
      const params = { ...rest, [STATE]: state };
      return { ...message, params, body: { ...message.body, params } };
    },
  };
}

/** A SPIFFE ID names one attempt of a step; a request is the same while it asks the same of the same thing. */
function termsOf({ method, params }: JsonRpcMessage, { audience, spiffeId }: VerifiedStep): Buffer {
  return Buffer.from(JSON.stringify([audience, spiffeId, method, params["name"] ?? params["uri"] ?? null]));
}

/** As the official server answers where it verifies such states itself. */
export const STATE_INVALID = refusal({
  status: 200,
  code: REFUSAL_CODES.invalidParams,
  reason: "REQUEST_STATE_INVALID",
  message: "the requestState is not one that was given to this step for this request",
});
