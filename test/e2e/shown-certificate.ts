import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";

/** A handshake with whoever listens at a URL; gone with the test. */
export async function shaken(url: string): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** The SHA-256 fingerprint of the certificate that is shown at a URL. */
export const shownAt = async (url: string): Promise<string> => (await shaken(url)).getPeerCertificate().fingerprint256;
