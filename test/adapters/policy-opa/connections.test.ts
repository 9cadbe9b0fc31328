import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import type { OpaCredentials } from "../../../src/adapters/policy-opa/opa-connections.ts";
import { requestOf } from "../../samples/policy-request.ts";
import { authority, pemOf } from "../../verify/certificate-forge.ts";
import {
  closed,
  listening,
  ofToday,
  shown,
  webAuthority,
  webCertificateFor,
} from "../bundle-endpoint/endpoint-scene.ts";
import { ALLOW_ONE, deniedFor, inOpasPlace, opaAt, silent, TIMEOUT_MS } from "./opa-scene.ts";

const CA = pemOf("CERTIFICATE", webAuthority.der);
const isSilent = (detail: string) => expect.objectContaining(silent(detail));

/** A server on loopback that does this with each connection. */
async function withConnections(does: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
    does(socket);
  });
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${await listening(server)}`;
}

/** A promise with what settles it. */
function until<Value = void>() {
  return Promise.withResolvers<Value>();
}

describe("there is no answer, and none is made up, where OPA", () => {
  test("is not there", async () => {
    const { opa } = opaAt("http://127.0.0.1:1");
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("ECONNREFUSED"));
  });

  test.for([
    { what: "closes without a word", says: undefined, detail: "ECONNRESET" },
    { what: "speaks something else", says: "SSH-2.0-OpenSSH\r\n", detail: "HPE_" },
    { what: "breaks off in its head", says: "HTTP/1.1 200 OK\r\ncontent-le", detail: "ECONNRESET" },
    {
      what: "breaks off in its answer",
      says: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"result":',
      detail: "broke off",
    },
  ])("$what", async ({ says, detail }) => {
    const url = await withConnections((socket) => {
      socket.once("data", () => (says === undefined ? socket.destroy() : socket.end(says)));
    });
    const { opa } = opaAt(url);
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent(detail));
  });

  test("resets the connection in its answer", async () => {
    const url = await withConnections((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", () => socket.resetAndDestroy());
      });
    });
    const { opa } = opaAt(url);
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent(""));
  });

  test.for([
    { what: "says nothing", says: "" },
    { what: "stops in its answer", says: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"result":' },
  ])("$what within the time limit, and the connection is given up", async ({ says }) => {
    const asked = until<Socket>();
    const url = await withConnections((socket) => {
      socket.once("data", () => socket.write(says, () => asked.resolve(socket)));
    });
    const { opa, clock } = opaAt(url);
    const answer = opa.evaluate(requestOf());
    const refused = expect(answer).rejects.toEqual(isSilent(`no answer within ${TIMEOUT_MS} ms`));
    const socket = await asked.promise;
    clock.advance(TIMEOUT_MS);
    await refused;
    await closed(socket);
    expect(clock.pending()).toBe(0);
  });

  test("answers without end: it is not read to the end", async () => {
    const isOver = until();
    const place = await inOpasPlace((_, response) => {
      const part = Buffer.alloc(64 * 1024, " ");
      const more = (): void => {
        while (!response.destroyed && response.write(part));
        response.once("drain", more);
      };
      response.on("error", () => undefined).once("close", () => isOver.resolve());
      more();
    });
    const { opa } = opaAt(place.url);
    expect(await opa.evaluate(requestOf())).toEqual(deniedFor("too_large"));
    await isOver.promise;
  });
});

describe("over TLS", () => {
  const certificate = webCertificateFor("localhost");

  test("OPA is recognised by the CA that is configured", async () => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE), shown(certificate, webAuthority));
    const { opa } = opaAt(place.url, { fixed: { ca: CA } });
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: { effect: "allow" } });
  });

  test.for([
    { what: "of another CA", made: webCertificateFor("localhost", authority(ofToday)), detail: "UNABLE_TO_" },
    { what: "for another host", made: webCertificateFor("elsewhere.example"), detail: "ERR_TLS_CERT_ALTNAME_INVALID" },
  ])("whoever shows a certificate $what is told nothing", async ({ made, detail }) => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE), shown(made));
    const { opa } = opaAt(place.url, { fixed: { ca: CA } });
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent(detail));
    expect(place.asked).toEqual([]);
  });

  test("whoever speaks no TLS is told nothing", async () => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
    const { opa } = opaAt(place.url.replace("http:", "https:"), { fixed: { ca: CA } });
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent(""));
    expect(place.asked).toEqual([]);
  });

  test("the broker shows its certificate, and a new one on new connections once its files have changed", async () => {
    const clients = [webCertificateFor("first.example"), webCertificateFor("second.example")].map(
      (made): OpaCredentials => {
        const { cert, key } = shown(made) as { readonly cert: string; readonly key: string };
        return { ca: CA, client: { certificate: cert, privateKey: key } };
      },
    );
    const [first, second] = clients as [OpaCredentials, OpaCredentials];
    const seen: string[] = [];
    const sockets = new Set<Socket>();
    const place = await inOpasPlace(
      ({ socket }: IncomingMessage, response: ServerResponse) => {
        sockets.add(socket);
        seen.push((socket as TLSSocket).getPeerX509Certificate()?.subjectAltName ?? "none");
        response.end(ALLOW_ONE);
      },
      { ...shown(certificate, webAuthority), ca: CA, requestCert: true },
    );
    let current = first;
    const { opa } = opaAt(place.url, { credentials: () => current });
    await opa.evaluate(requestOf());
    await opa.evaluate(requestOf());
    current = second;
    await opa.evaluate(requestOf());
    expect(seen).toEqual(["DNS:first.example", "DNS:first.example", "DNS:second.example"]);
    const [retired] = sockets;
    if (retired !== undefined) await closed(retired);
    expect(place.connections()).toBe(2);
  });
});

describe("connections", () => {
  test("are used again", async () => {
    const place = await inOpasPlace((_, response) => response.end(ALLOW_ONE));
    const { opa } = opaAt(place.url);
    for (let times = 0; times < 5; times += 1) await opa.evaluate(requestOf());
    expect([place.asked.length, place.connections()]).toEqual([5, 1]);
  });

  test("that OPA closed while nobody used them cost no question", async () => {
    const sockets: Socket[] = [];
    const place = await inOpasPlace(({ socket }, response) => {
      // The second question on a connection is what OPA closes the connection on, as if the two had crossed.
      if (sockets.includes(socket)) socket.destroy();
      else response.end(ALLOW_ONE);
      sockets.push(socket);
    });
    const { opa } = opaAt(place.url);
    await opa.evaluate(requestOf());
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: { effect: "allow" } });
    expect([place.asked.length, place.connections()]).toEqual([3, 2]);
  });

  test("that were forgotten on the way cost one question its time, and not one each", async () => {
    const known = new Set<Socket>();
    const held: ServerResponse[] = [];
    const areOpen = until();
    const isForgotten = until();
    const place = await inOpasPlace(({ socket }, response) => {
      if (known.has(socket)) return isForgotten.resolve();
      known.add(socket);
      if (held.length === 2) return response.end(ALLOW_ONE);
      held.push(response);
      if (held.length === 2) areOpen.resolve();
    });
    const { opa, clock } = opaAt(place.url);
    const both = [opa.evaluate(requestOf()), opa.evaluate(requestOf())];
    await areOpen.promise;
    for (const response of held) response.end(ALLOW_ONE);
    await Promise.all(both);
    const refused = expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("no answer within"));
    await isForgotten.promise;
    clock.advance(TIMEOUT_MS);
    await refused;
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: { effect: "allow" } });
  });

  test("are at most 64 at once; further questions wait, and their wait counts", async () => {
    const held: ServerResponse[] = [];
    const isAsked = new Map([64, 65, 65 + 64].map((count) => [count, until()]));
    const place = await inOpasPlace((_, response) => {
      held.push(response);
      isAsked.get(held.length)?.resolve();
    });
    const { opa, clock } = opaAt(place.url);
    const [first, ...others] = Array.from({ length: 66 }, () => opa.evaluate(requestOf()));
    const late = others.map((one) => expect(one).rejects.toEqual(isSilent("no answer within")));
    await isAsked.get(64)?.promise;
    expect(place.connections()).toBe(64);
    held[0]?.end(ALLOW_ONE);
    await first;
    await isAsked.get(65)?.promise;
    clock.advance(TIMEOUT_MS);
    await Promise.all(late);
    // Who waited in vain was never asked about, and takes no turn from those who come later.
    expect(place.asked).toHaveLength(65);
    const later = Array.from({ length: 64 }, () => opa.evaluate(requestOf()));
    await isAsked.get(65 + 64)?.promise;
    for (const response of held.slice(65)) response.end(ALLOW_ONE);
    await Promise.all(later);
  });

  test("go when the broker stops, with the questions that are under way", async () => {
    const socketOf = until<Socket>();
    const place = await inOpasPlace(({ socket }) => socketOf.resolve(socket));
    const { opa } = opaAt(place.url);
    const refused = expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("the broker is stopping"));
    const socket = await socketOf.promise;
    await opa.close();
    await refused;
    await closed(socket);
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("the broker is stopping"));
  });

  test("that nobody uses go too when the broker stops", async () => {
    const socketOf = until<Socket>();
    const place = await inOpasPlace(({ socket }, response) => {
      socketOf.resolve(socket);
      response.end(ALLOW_ONE);
    });
    const { opa } = opaAt(place.url);
    await opa.evaluate(requestOf());
    await opa.close();
    await closed(await socketOf.promise);
  });
});
