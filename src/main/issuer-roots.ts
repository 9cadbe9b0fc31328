import { BrokerError } from "../domain/errors.ts";
import { sentenceOf } from "./for-operator.ts";
import { pemCertificates } from "./pem-certificates.ts";

/**
 * An issuer with the CA certificates of its file in place of the file's path.
 *
 * @throws BrokerError NOT_SERVING when the file can't be used; `detail` says what is wrong with the file
 */
export async function withRoots<Issuer extends { readonly roots?: string }>(issuer: Issuer): Promise<Issuer> {
  return issuer.roots === undefined ? issuer : { ...issuer, roots: await pemIn(issuer.roots) };
}

/** @throws BrokerError NOT_SERVING */
export async function pemIn(path: string): Promise<string> {
  try {
    return (await pemCertificates(path)).join("");
  } catch (cause) {
    const detail = `${path}: ${sentenceOf(cause)}`;
    throw new BrokerError("NOT_SERVING", "the CA certificates of a setting can't be read", { detail, cause });
  }
}
