import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { altNames, authority, dns, leafOf, pemOf } from "../verify/certificate-forge.ts";

const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
const ofToday = { notBefore: addSeconds(now, -60), notAfter: addSeconds(now, 3_600) };

/** An HTTPS server on this machine, by a CA of its own. */
export type LoopbackHttps = {
  /** Origin, by a name. */
  readonly url: string;
  /** The CA that vouches for it, PEM. */
  readonly ca: string;
  answerBy(listener: RequestListener): void;
  close(): Promise<void>;
};

/** A certificate of now for `localhost`, by a CA of its own; PEM. */
export function localhostCertificate(): { readonly ca: string; readonly certificate: string; readonly key: string } {
  const ca = authority(ofToday);
  const leaf = leafOf(ca, { ...ofToday, extensions: { san: altNames([dns("localhost")]) } });
  return {
    ca: pemOf("CERTIFICATE", ca.der),
    certificate: pemOf("CERTIFICATE", leaf.der),
    key: leaf.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

export async function loopbackHttps(): Promise<LoopbackHttps> {
  const { ca, certificate, key } = localhostCertificate();
  let listener: RequestListener = (_, response) => response.writeHead(404).end();
  const server = createServer({ cert: certificate, key }, (request, response) => listener(request, response)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    ca,
    answerBy(answer) {
      listener = answer;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
