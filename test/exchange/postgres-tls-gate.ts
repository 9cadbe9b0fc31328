import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { TLSSocket } from "node:tls";

/** Asks for TLS before anything else. PostgreSQL, Message Formats, SSLRequest. */
const SSL_REQUEST = Buffer.from("0000000804d2162f", "hex");

export type TlsGate = { readonly port: number; close(): void };

/** TLS in front of a PostgreSQL that was built without it, as the server itself does it. */
export async function postgresTlsGate(
  port: number,
  { certificate, key }: { readonly certificate: string; readonly key: string },
): Promise<TlsGate> {
  const server = createServer((near) => {
    near.on("error", () => undefined);
    near.once("data", (first) => {
      if (!SSL_REQUEST.equals(first)) {
        near.destroy();
        return;
      }
      near.write("S");
      const secured = new TLSSocket(near, { isServer: true, cert: certificate, key });
      const far = connect(port, "127.0.0.1");
      for (const socket of [secured, far]) socket.on("error", () => undefined);
      secured.pipe(far).pipe(secured);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
