import { readFile } from "node:fs/promises";
import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { isObject, type JsonObject, parseStrictObject } from "../domain/strict-json.ts";
import { sentenceOf } from "./for-operator.ts";

/**
 * The JSON Web Key Set of a file, with at least one key, and none that could sign: whoever may read the file could make tokens.
 *
 * @throws BrokerError NOT_SERVING when the file can't be used; `detail` says what is wrong with it
 */
export async function keySetIn(path: string): Promise<JsonObject> {
  try {
    return parsed(await readFile(path));
  } catch (cause) {
    const detail = `${path}: ${sentenceOf(cause)}`;
    throw new BrokerError("NOT_SERVING", "the keys of an issuer can't be read", { detail, cause });
  }
}

function parsed(bytes: Uint8Array): JsonObject {
  if (bytes.length > LIMITS.issuerDocumentBytesMax) throw new Error(`more than ${LIMITS.issuerDocumentBytesMax} bytes`);
  const document = parseStrictObject(bytes);
  const keys = document?.["keys"];
  if (document === undefined || !Array.isArray(keys) || keys.length === 0 || !keys.every(isObject)) {
    throw new Error("no JSON Web Key Set with a key");
  }
  if (keys.some((key) => key["d"] !== undefined || key["k"] !== undefined)) {
    throw new Error("a key that signs: expected public keys alone");
  }
  return document;
}
