import { readTlsFiles, type TlsFiles } from "../api/http/tls-files.ts";
import { type Life, lifeOfFirst } from "./certificate-life.ts";
import type { Files } from "./renewed-files.ts";

/** A server certificate with its key, in PEM, leaf first. */
export type ServerCertificate = Life & { readonly certificateChain: string; readonly privateKey: string };

/** The files of a listener's certificate. Reading rejects with BrokerError NOT_SERVING when they can't be used. */
export function serverCertificate(setting: string, files: TlsFiles): Files<ServerCertificate> {
  return {
    setting,
    paths: [files.certificate, files.privateKey],
    async read() {
      const { cert, key } = await readTlsFiles(files);
      const certificateChain = String(cert);
      return { certificateChain, privateKey: String(key), ...lifeOfFirst(certificateChain) };
    },
    lifeOf: (certificate) => certificate,
  };
}
