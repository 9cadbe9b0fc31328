import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { X509Svid } from "../../sdk/runtime/index.ts";
import { usageFailure } from "../failure.ts";
import type { SvidFiles } from "./svid-directory.ts";

/** Group and others: everything. */
const OTHERS_BITS = 0o077;
const PASSWORD_BYTES_MAX = 1_024;

/**
 * Makes the files of an X.509-SVID for programs that load PKCS #12.
 *
 * @param passwordFile - of mode 0600; its password protects nothing beyond what the files' own mode does, but no reader goes without.
 * @throws Failure for a password file that others can read, or a password that programs do not take alike
 */
export async function pkcs12Files(passwordFile: string): Promise<(svid: X509Svid) => SvidFiles> {
  const password = await readPassword(passwordFile);
  // Loaded here alone: no other command should wait for it.
  const { writePkcs12 } = await import("../../adapters/pkcs12-forge/write-pkcs12.ts");
  const { checkPassword } = await import("../../adapters/pkcs12-forge/pkcs12-error.ts");
  try {
    checkPassword(password);
  } catch (thrown) {
    throw usageFailure(`--password-file: ${(thrown as Error).message}`);
  }
  return (svid) =>
    new Map<string, string | Uint8Array>([
      ["svid_bundle.pem", svid.tls().ca.join("")],
      ["svid.p12", writePkcs12({ certificates: svid.certificates, privateKey: svid.privateKey(), password })],
    ]);
}

async function readPassword(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => {
    throw usageFailure("--password-file: expected a file that can be read");
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.uid !== process.geteuid?.() || (stats.mode & OTHERS_BITS) !== 0) {
      throw usageFailure("--password-file: expected a regular file of this user's, of mode 0600");
    }
    if (stats.size > PASSWORD_BYTES_MAX) throw usageFailure(`--password-file: at most ${PASSWORD_BYTES_MAX} bytes`);
    // An editor ends a file with a line feed.
    return (await file.readFile("utf8")).replace(/\r?\n$/, "");
  } finally {
    await file.close();
  }
}
