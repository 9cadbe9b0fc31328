import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { presentedChain } from "../../src/verify/presented-chain.ts";
import { opensslAuthorities } from "../samples/openssl-authority.ts";

const LEAF = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"];

/** What a server that asks for a certificate is shown by a client that shows these, PEM, leaf first. */
async function shownTo(
  server: { readonly key: string; readonly cert: string; readonly ca?: string },
  client: { readonly key: string; readonly cert: string },
): Promise<readonly Uint8Array[]> {
  const listener = createServer({ ...server, requestCert: true, rejectUnauthorized: false });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const accepted = once(listener, "secureConnection") as Promise<[TLSSocket]>;
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...client });
  try {
    const [connection] = await accepted;
    return presentedChain(connection.getPeerX509Certificate());
  } finally {
    socket.destroy();
    listener.close();
  }
}

test.for([
  { what: "that trusts the root", trusts: true },
  { what: "that trusts nobody, and verifies by itself", trusts: false },
])("a server $what sees the leaf, and every certificate between it and the root", async ({ trusts }) => {
  const ground = opensslAuthorities();
  onTestFinished(() => ground[Symbol.dispose]());
  const root = ground.make({ name: "root" });
  const upper = ground.make({ name: "upper", issuer: root });
  const lower = ground.make({ name: "lower", issuer: upper });
  const leaf = ground.make({ name: "leaf", issuer: lower, extensions: LEAF });
  const shown = [leaf, lower, upper];
  const server = { key: root.key, cert: root.certificate, ...(trusts ? { ca: root.certificate } : {}) };
  const chain = await shownTo(server, { key: leaf.key, cert: shown.map(({ certificate }) => certificate).join("") });
  // Node.js 24.21.0 gives a server that trusts the root the leaf alone.
  expect(chain.map((der) => Buffer.from(der).toString("base64"))).toEqual(
    shown.map(({ certificate }) => certificate.replaceAll(/-----.*-----|\n/g, "")),
  );
});
