import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { certificatesInPem } from "../domain/pem.ts";

/**
 * The certificates of a file, PEM. A file without any would be no CA at all to whoever reads it, and TLS takes no CA at
 * all for those that Node.js has.
 *
 * @throws an error that says for the operator what is wrong with the file
 */
export async function pemCertificates(path: string): Promise<readonly string[]> {
  const found = certificatesInPem(await readFile(path, "utf8"));
  if (found.length === 0) throw new Error("no certificate in PEM");
  return found.map((der) => new X509Certificate(der).toString());
}
