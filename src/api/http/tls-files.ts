import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { BrokerError } from "../../domain/errors.ts";

/** Paths of PEM files. */
export type TlsFiles = { readonly certificate: string; readonly privateKey: string };

const READABLE_BY_OTHERS = 0o007;
/** A chain of three certificates is 5 KiB. */
const PEM_BYTES_MAX = 256 * 1024;

/**
 * Reads a server certificate with its key. The files may be symlinks, as those of an ACME client are.
 *
 * @throws BrokerError NOT_SERVING when a file can't be read, the key is open to everybody, or certificate and key do
 *   not fit together; `detail` names the file
 */
export async function readTlsFiles(files: TlsFiles): Promise<SecureContextOptions> {
  const cert = await read(files.certificate);
  const key = await read(files.privateKey);
  const { mode } = await stat(files.privateKey);
  if ((mode & READABLE_BY_OTHERS) !== 0) throw unfit(files.privateKey, "the private key is open to everybody");
  const options: SecureContextOptions = { cert, key, minVersion: "TLSv1.2" };
  try {
    createSecureContext(options);
  } catch (thrown) {
    throw unfit(`${files.certificate}, ${files.privateKey}`, "no certificate and its private key in PEM", thrown);
  }
  return options;
}

async function read(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= PEM_BYTES_MAX) return await readFile(path);
  } catch (thrown) {
    throw unfit(path, "can't be read", thrown);
  }
  throw unfit(path, `more than ${PEM_BYTES_MAX} bytes`);
}

function unfit(path: string, why: string, cause?: unknown): BrokerError {
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return new BrokerError("NOT_SERVING", "the server certificate can't be used", {
    detail: `${path}: ${why}${code}`,
    cause,
  });
}
