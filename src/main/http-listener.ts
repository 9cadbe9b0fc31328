import type { HttpListener } from "../api/http/start-http.ts";
import type { SvidSource } from "../api/http/tls-context.ts";
import type { HttpListenerConfig } from "../config/config.ts";
import type { RenewedFiles } from "./renewed-files.ts";
import { serverCertificate } from "./server-certificate.ts";

/**
 * A listener with what it shows of itself.
 *
 * @param key - the setting of its certificate.
 * @param by.own - absent: there is no X.509-SVID of this process to be shown.
 * @throws BrokerError NOT_SERVING where the files can't be used
 */
export async function httpListenerOf(
  key: string,
  { tls, ...listener }: HttpListenerConfig,
  { files, own }: { readonly files: RenewedFiles; readonly own?: SvidSource },
): Promise<HttpListener> {
  if (tls === undefined) return listener;
  if (tls !== "own-svid") {
    const { current, onChange } = await files.follow(serverCertificate(key, tls));
    return { ...listener, tls: { material: current, onChange } };
  }
  if (own === undefined)
    throw new Error(`${key}: expected a certificate, or plain_on_loopback: a standby has no SVID to show`);
  return { ...listener, tls: own };
}
