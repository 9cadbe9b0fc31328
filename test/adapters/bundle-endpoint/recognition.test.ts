import { once } from "node:events";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:net";
import tls, { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { contextPrimitive, derOf } from "../../../src/domain/der.ts";
import { keyIdentifierOf } from "../../../src/domain/public-key.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import {
  altNames,
  authority,
  type Changes,
  dns,
  ecPair,
  type Forged,
  leafOf,
  nameOf,
  uri,
} from "../../verify/certificate-forge.ts";
import { NOW } from "../../verify/token-forge.ts";
import {
  asker,
  closed,
  ENDPOINT_ID,
  endpoint,
  listening,
  ofToday,
  refusal,
  SPIFFE,
  shown,
  spiffeAuthority,
  svidFor,
  WEB,
  webAuthority,
  webCertificateFor,
} from "./endpoint-scene.ts";

const ip = (...octets: readonly number[]) => derOf(contextPrimitive(7), Uint8Array.from(octets));

/** Of no authority: the certificate's own key signed it. */
function selfSigned(san: Uint8Array, more: Changes = {}): Forged {
  const pair = ecPair();
  const name = nameOf("myself");
  const keyIdentifier = keyIdentifierOf(pair.publicKey.export({ type: "spki", format: "der" }));
  const extensions = { san: altNames([san]) };
  return leafOf({ ...pair, name, keyIdentifier, der: new Uint8Array() }, { pair, subject: name, extensions, ...more });
}

describe("an endpoint that shows an X.509-SVID", () => {
  test("is asked when it is the configured one, by an authority of its own trust domain", async () => {
    const { url } = await endpoint((_, response) => response.end("a bundle"));
    expect(await asker().fetch(url)).toBe("a bundle");
  });

  test("may show the authorities between it and the bundle's", async () => {
    const between = authority({}, spiffeAuthority);
    const chain = shown(svidFor(ENDPOINT_ID, between), between);
    const { url } = await endpoint((_, response) => response.end("a bundle"), chain);
    expect(await asker().fetch(url)).toBe("a bundle");
  });

  test("may use TLS 1.2", async () => {
    const options = { ...shown(svidFor(ENDPOINT_ID)), maxVersion: "TLSv1.2" } as const;
    const { url } = await endpoint((_, response) => response.end("a bundle"), options);
    expect(await asker().fetch(url)).toBe("a bundle");
  });

  const foreign = authority();
  const other = "spiffe://foreign.example/another-server";
  const NOT_ISSUED = "shows a certificate that its trust domain did not issue";
  const NOT_NOW = "shows a certificate that is not valid now";
  test.for([
    {
      what: "another SPIFFE ID of its trust domain",
      leaf: svidFor(other),
      says: `shows a certificate that is not for ${ENDPOINT_ID}`,
    },
    { what: "its SPIFFE ID by a foreign authority", leaf: svidFor(ENDPOINT_ID, foreign), says: NOT_ISSUED },
    { what: "its SPIFFE ID by itself", leaf: selfSigned(uri(ENDPOINT_ID)), says: NOT_ISSUED },
    {
      what: "an X.509-SVID that expired",
      leaf: svidFor(ENDPOINT_ID, spiffeAuthority, { notAfter: addSeconds(NOW, -1) }),
      says: NOT_NOW,
    },
    {
      what: "an X.509-SVID that is not valid yet",
      leaf: svidFor(ENDPOINT_ID, spiffeAuthority, { notBefore: addSeconds(NOW, 1) }),
      says: NOT_NOW,
    },
    {
      what: "the SPIFFE ID of another trust domain, by the same authority",
      leaf: svidFor("spiffe://other.example/bundle-server"),
      says: NOT_ISSUED,
    },
    {
      what: "a certificate of the web for its host",
      leaf: webCertificateFor("localhost"),
      says: NOT_ISSUED,
      authorities: [spiffeAuthority, webAuthority],
    },
    { what: "its X.509-SVID, when nobody is trusted", leaf: svidFor(ENDPOINT_ID), says: NOT_ISSUED, authorities: [] },
  ])("is sent nothing at all when it shows $what", async ({ leaf, says, authorities = [spiffeAuthority] }) => {
    const server = createTlsServer(shown(leaf));
    const url = `https://127.0.0.1:${await listening(server)}/bundle`;
    onTestFinished(() => void server.close());
    const sent: unknown[] = [];
    const isOver = new Promise((resolve) => {
      server.once("secureConnection", (socket) => resolve(closed(socket.on("data", (data) => sent.push(data)))));
      // The endpoint may find itself left before it knows that the handshake is done.
      server.once("tlsClientError", resolve);
    });
    await expect(asker().fetch(url, { profile: SPIFFE, authorities })).rejects.toMatchObject(refusal(says));
    await isOver;
    expect(sent).toEqual([]);
  });

  test("is not believed after it redirected, when it is another one by then", async () => {
    const { url, asked, server } = await endpoint((_, response) => {
      server.setSecureContext(shown(svidFor(other)));
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    await expect(asker().fetch(url)).rejects.toMatchObject(
      refusal(`shows a certificate that is not for ${ENDPOINT_ID}`),
    );
    expect(asked).toHaveLength(1);
  });
});

describe("an endpoint that shows a certificate of the web", () => {
  test.for([
    { place: "a name", host: "localhost", leaf: webCertificateFor("localhost"), named: "localhost" },
    {
      place: "an address",
      host: "127.0.0.1",
      leaf: webCertificateFor("", webAuthority, { extensions: { san: altNames([ip(127, 0, 0, 1)]) } }),
      named: false,
    },
  ])("is asked at $place that the certificate is for", async ({ host, leaf, named }) => {
    const { url, asked } = await endpoint((_, response) => response.end("a bundle"), shown(leaf));
    expect(await asker().fetch(url.replace("localhost", host), { profile: WEB })).toBe("a bundle");
    // What the handshake said of the host: servers with several certificates choose by it, and it may be no address.
    expect(asked.map(({ socket }) => (socket as TLSSocket).servername)).toEqual([named]);
  });

  const NOT_ISSUED = "shows a certificate that none of the web's authorities issued";
  const refused = [
    {
      what: "for another host",
      leaf: webCertificateFor("elsewhere.example"),
      says: "shows a certificate for another host",
    },
    {
      what: "that expired",
      leaf: webCertificateFor("localhost", webAuthority, { notAfter: addSeconds(NOW, -90 * 86_400) }),
      says: "shows a certificate that is not valid now",
    },
    { what: "by nobody known", leaf: webCertificateFor("localhost", authority()), says: NOT_ISSUED },
    { what: "by itself", leaf: selfSigned(dns("localhost"), ofToday), says: NOT_ISSUED },
    { what: "of a trust domain", leaf: svidFor(ENDPOINT_ID, spiffeAuthority, ofToday), says: NOT_ISSUED },
  ];
  test.for(refused)("is asked nothing when the certificate is one $what", async ({ leaf, says }) => {
    const { url, asked } = await endpoint((_, response) => response.end("a bundle"), shown(leaf));
    await expect(asker().fetch(url, { profile: WEB })).rejects.toMatchObject(refusal(says));
    expect(asked).toEqual([]);
  });

  test("is held to it whatever the environment says", async () => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    onTestFinished(() => void delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]);
    const { url } = await endpoint((_, response) => response.end("a bundle"), shown(webCertificateFor("elsewhere")));
    await expect(asker().fetch(url, { profile: WEB })).rejects.toMatchObject(
      refusal("shows a certificate for another host"),
    );
  });
});

describe("an endpoint that can't be spoken to", () => {
  const NO_TLS = "and the broker agree on no TLS 1.2 or later";

  test("is refused when it knows nothing newer than TLS 1.1, although Node.js was told to put up with that", async () => {
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    Object.assign(tls, { DEFAULT_MIN_VERSION: "TLSv1", DEFAULT_CIPHERS: "DEFAULT@SECLEVEL=0" });
    onTestFinished(() => void Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS }));
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1" } as const;
    const { url } = await endpoint((_, response) => response.end(), { ...shown(svidFor(ENDPOINT_ID)), ...old });
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal(NO_TLS));
  });

  test("is refused when it speaks no TLS at all", async () => {
    const server = createPlainServer((_, response) => response.end("a bundle"));
    onTestFinished(() => void server.close());
    const url = `https://127.0.0.1:${await listening(server)}/`;
    for (const profile of [SPIFFE, WEB]) {
      await expect(asker().fetch(url, { profile })).rejects.toMatchObject(refusal(NO_TLS));
    }
  });

  test("is refused when nobody listens there, and the log is told what the system said", async () => {
    const server = createServer();
    const url = `https://127.0.0.1:${await listening(server)}/`;
    server.close();
    await once(server, "close");
    await expect(asker().fetch(url)).rejects.toMatchObject({
      ...refusal("can't be reached"),
      detail: expect.stringMatching(/^ECONNREFUSED: /),
    });
  });
});
