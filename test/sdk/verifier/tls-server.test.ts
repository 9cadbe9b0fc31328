import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import {
  createTlsServer,
  createVerifier,
  type TlsServer,
  type TlsServerOptions,
  type TlsSvid,
  type VerificationError,
  type Verifier,
} from "../../../src/sdk/verifier/index.ts";
import {
  altNames,
  authority,
  type Changes,
  type Forged,
  leafOf,
  pemOf,
  uri,
  x509BundleDocument,
} from "../../verify/certificate-forge.ts";
import { AUDIENCE, NOW, SUBJECT } from "../../verify/token-forge.ts";
import { bundle, denied, deniedCertificate, deniedStep, pong, snapshot } from "./feed-responses.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { scriptedBroker, type Watch } from "./scripted-broker.ts";

// Real TLS on real sockets; the broker's part is scripted, so that the clock can stand at any instant.

const own = authority();
const federated = authority();
const STEP_ID = "step_0190a5f2";

const named = (id: string): Changes => ({ extensions: { san: altNames([uri(id)]) } });
const svidOf = ({ der, privateKey }: Forged, ...above: readonly Forged[]): TlsSvid => ({
  cert: [der, ...above.map((one) => one.der)].map((one) => pemOf("CERTIFICATE", one)).join(""),
  key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
});
const SERVER = svidOf(leafOf(own, named("spiffe://example.org/verifier/library")));
const CLIENT = leafOf(own);

let clock: ManualClock;
let verifier: Verifier;
let watch: Watch;
let refused: VerificationError[];

/** A verifier that trusts two trust domains, and was just confirmed. */
beforeEach(async () => {
  const broker = await scriptedBroker();
  clock = manualClock(NOW * 1_000);
  verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock });
  onTestFinished(() => verifier.close());
  watch = await broker.nextWatch();
  watch.send(
    snapshot([], "c1"),
    bundle(x509BundleDocument(own)),
    bundle(x509BundleDocument(federated), { trustDomain: "spiffe://other.example" }),
  );
  await watch.next("acknowledge");
  await confirm("c2");
  refused = [];
});

async function confirm(cursor: string): Promise<void> {
  const { nonce } = await watch.next("ping");
  watch.send(pong(nonce, clock.wallMs(), cursor));
  expect(Buffer.from((await watch.next("acknowledge")).cursor).toString()).toBe(cursor);
}

/** Resolves when the verifier has applied it. */
async function deny(denial: Parameters<typeof denied>[0][number], cursor = "c3"): Promise<void> {
  watch.send(denied([denial], cursor));
  await watch.next("acknowledge");
}

async function listening<Wrapped extends tls.Server>(
  create: TlsServerOptions<Wrapped>["create"],
  more: Partial<TlsServerOptions<Wrapped>> = {},
): Promise<TlsServer<Wrapped> & { readonly port: number }> {
  const onRefused = (reason: VerificationError) => void refused.push(reason);
  const made = createTlsServer({ verifier, svid: SERVER, create, clock, onRefused, ...more });
  made.server.listen(0, "127.0.0.1");
  await once(made.server, "listening");
  onTestFinished(() => void made.server.close());
  return { ...made, port: (made.server.address() as AddressInfo).port };
}

/** An HTTPS server that answers each request with who it is from, and why not otherwise. */
async function httpsServer(more: Partial<TlsServerOptions<https.Server>> = {}) {
  const answered: string[] = [];
  const made = await listening(
    (options) =>
      https.createServer(options, (request, response) => {
        try {
          answered.push(made.check(request.socket).spiffeId);
          response.end(answered.at(-1));
        } catch (thrown) {
          response.statusCode = 403;
          response.end((thrown as VerificationError).code);
        }
      }),
    more,
  );
  return { ...made, answered };
}

/** A client that does not look at who it talks to: that is not what is tested here. */
function connect(port: number, client?: TlsSvid, more: ConnectionOptions = {}): TLSSocket {
  const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...client, ...more });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** One request on a connection that is kept. @returns the body; `cut` when the connection ends instead. */
async function ask(socket: TLSSocket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const answer = await new Promise<string>((resolve) => {
    socket.once("data", (data) => resolve(String(data)));
    socket.once("close", () => resolve("cut"));
  });
  return answer.split("\r\n\r\n").at(-1) ?? "";
}

const closed = (socket: TLSSocket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", resolve));

test("an SVID that verifies is answered, and each request says of whom it is", async () => {
  const { port, answered } = await httpsServer();
  const socket = connect(port, svidOf(CLIENT));
  expect(await ask(socket)).toBe(SUBJECT);
  expect(await ask(socket)).toBe(SUBJECT);
  expect(answered).toEqual([SUBJECT, SUBJECT]);
  expect(socket.getProtocol()).toBe("TLSv1.3");
  expect(refused).toEqual([]);
});

test("an SVID of another trust domain that is trusted is that domain's", async () => {
  const { port } = await httpsServer();
  const middle = authority({}, federated);
  const leaf = leafOf(middle, named("spiffe://other.example/workload"));
  expect(await ask(connect(port, svidOf(leaf, middle)))).toBe("spiffe://other.example/workload");
});

describe("a connection is dropped before anybody hears of it", () => {
  test.for<{ that: string; client: () => TlsSvid | undefined; code: string }>([
    { that: "brings no certificate", client: () => undefined, code: "CERTIFICATE_INVALID" },
    {
      that: "brings an SVID of ours by a federated authority",
      client: () => svidOf(leafOf(federated), federated),
      code: "KEY_UNKNOWN",
    },
    { that: "brings one by nobody's authority", client: () => svidOf(leafOf(authority())), code: "KEY_UNKNOWN" },
    { that: "brings an authority's certificate", client: () => svidOf(own), code: "SUBJECT_INVALID" },
    {
      that: "brings an expired SVID",
      client: () => svidOf(leafOf(own, { notAfter: addSeconds(NOW, -1) })),
      code: "EXPIRED",
    },
  ])("that $that", async ({ client, code }) => {
    const { port, answered, server } = await httpsServer();
    const heard = vi.fn();
    server.on("secureConnection", heard);
    expect(await ask(connect(port, client()))).toBe("cut");
    expect(refused.map((reason) => reason.code)).toEqual([code]);
    expect(answered).toEqual([]);
    expect(heard).not.toHaveBeenCalled();
  });

  test("while the verifier is out of date", async () => {
    const { port } = await httpsServer();
    clock.advance(61_000);
    expect(await ask(connect(port, svidOf(CLIENT)))).toBe("cut");
    expect(refused.map(({ code }) => code)).toEqual(["STALE"]);
  });

  test("that speaks TLS 1.2", async () => {
    const { port, answered } = await httpsServer();
    expect(await ask(connect(port, svidOf(CLIENT), { maxVersion: "TLSv1.2" }))).toBe("cut");
    expect(answered).toEqual([]);
    // In the handshake, so that there was nothing to be refused.
    expect(refused).toEqual([]);
  });

  test("that a server made otherwise than asked lets through with TLS 1.2", async () => {
    const { port } = await listening((options) =>
      https.createServer({ ...options, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }),
    );
    expect(await ask(connect(port, svidOf(CLIENT), { maxVersion: "TLSv1.2" }))).toBe("cut");
    expect(refused.map(({ code }) => code)).toEqual(["CERTIFICATE_INVALID"]);
  });
});

test("no session is resumed, although one was offered", async () => {
  const { port } = await httpsServer();
  const first = connect(port, svidOf(CLIENT));
  const sessions: Buffer[] = [];
  first.on("session", (session) => sessions.push(session));
  expect(await ask(first)).toBe(SUBJECT);
  // With the revoked certificate's session no certificate would be asked for any more.
  const session = sessions[0] ?? first.getSession();
  const again = connect(port, svidOf(CLIENT), session === undefined ? {} : { session });
  expect(await ask(again)).toBe(SUBJECT);
  expect(again.isSessionReused()).toBe(false);
});

describe("a connection that stands", () => {
  test.for([
    { by: "its step's end", denial: () => deniedStep(STEP_ID, SUBJECT) },
    { by: "its certificate's revocation", denial: () => deniedCertificate(own.name, "0a0b", {}) },
    {
      by: "its certificate's revocation, whoever issued it",
      denial: () => deniedCertificate(new Uint8Array(), "0a0b", {}),
    },
  ])("is cut by $by, others stay, and a new one is refused", async ({ denial }) => {
    const { port } = await httpsServer();
    const client = svidOf(leafOf(own, { serialNumber: Buffer.from("0a0b", "hex") }));
    const other = connect(port, svidOf(leafOf(own, named(`${SUBJECT}0`))));
    const socket = connect(port, client);
    expect(await ask(socket)).toBe(SUBJECT);
    expect(await ask(other)).toBe(`${SUBJECT}0`);
    const cut = closed(socket);
    await deny(denial());
    await cut;
    expect(await ask(connect(port, client))).toBe("cut");
    expect(refused.map(({ code }) => code)).toEqual(["REVOKED"]);
    expect(await ask(other)).toBe(`${SUBJECT}0`);
  });

  test("is cut in the second in which its SVID expires", async () => {
    const { port } = await httpsServer();
    const socket = connect(port, svidOf(leafOf(own, { notAfter: addSeconds(NOW, 39) })));
    expect(await ask(socket)).toBe(SUBJECT);
    clock.advance(30_000);
    clock.advance(9_999);
    expect(await ask(socket)).toBe(SUBJECT);
    const cut = closed(socket);
    clock.advance(1);
    await cut;
  });

  test("is cut soon after the machine wakes, when its SVID expired while it was suspended", async () => {
    const { port } = await httpsServer();
    const socket = connect(port, svidOf(leafOf(own, { notAfter: addSeconds(NOW, 600) })));
    expect(await ask(socket)).toBe(SUBJECT);
    clock.suspend(700_000);
    // In between each request is refused, if not for its time then for the verifier's.
    expect(["STALE", "EXPIRED"]).toContain(await ask(socket));
    const cut = closed(socket);
    clock.advance(30_000);
    await cut;
  });

  test("is refused its requests while the verifier is out of date, by the actions they take, and served again", async () => {
    const { port, check, server } = await httpsServer();
    const [socket] = await Promise.all([
      once(server, "secureConnection").then(([it]) => it),
      connect(port, svidOf(CLIENT)),
    ]);
    clock.advance(1_000);
    await confirm("c3");
    clock.advance(16_000);
    expect(check(socket).spiffeId).toBe(SUBJECT);
    expect(() => check(socket, { actions: ["write"] })).toThrow(expect.objectContaining({ code: "STALE" }));
    await confirm("c4");
    expect(check(socket, { actions: ["write"] }).spiffeId).toBe(SUBJECT);
  });

  test("is refused its requests when its authority is trusted no more", async () => {
    const { port } = await httpsServer();
    const socket = connect(port, svidOf(CLIENT));
    expect(await ask(socket)).toBe(SUBJECT);
    watch.send(bundle(x509BundleDocument(authority())), denied([], "c3"));
    await watch.next("acknowledge");
    expect(await ask(socket)).toBe("KEY_UNKNOWN");
  });

  test("is told apart from one that this server did not accept", async () => {
    const { check } = await httpsServer();
    const stranger = connect((await httpsServer()).port, svidOf(CLIENT));
    await once(stranger, "secureConnect");
    expect(() => check(stranger)).toThrow(BrokerError);
  });
});

test("what the protocols above TLS are is agreed upon, HTTP/2 among them", async () => {
  const made = await listening(
    (options) =>
      http2.createSecureServer(options, (request, response) => {
        const socket = request.stream.session?.socket;
        response.end(socket === undefined ? "" : made.check(socket).spiffeId);
      }),
    { ALPNProtocols: ["h2"] },
  );
  const session = http2.connect(`https://127.0.0.1:${made.port}`, { ...svidOf(CLIENT), rejectUnauthorized: false });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/" });
  const [data] = await once(stream, "data");
  expect(String(data)).toBe(SUBJECT);
  expect(session.alpnProtocol).toBe("h2");
  const cut = once(session, "close");
  await deny(deniedStep(STEP_ID, SUBJECT));
  await cut;
});

test("a protocol of one's own is agreed upon, and none that was not named", async () => {
  const made = await listening((options) => tls.createServer(options, (socket) => socket.end("hello")), {
    ALPNProtocols: ["mine/1"],
  });
  const socket = connect(made.port, svidOf(CLIENT), { ALPNProtocols: ["other/1", "mine/1"] });
  await once(socket, "data");
  expect(socket.alpnProtocol).toBe("mine/1");
  await closed(connect(made.port, svidOf(CLIENT), { ALPNProtocols: ["other/1"] }));
});

test("a server of plain TLS hears of verified connections alone", async () => {
  const made = await listening((options) =>
    tls.createServer(options, (socket) => socket.end(made.check(socket).spiffeId)),
  );
  const [data] = await once(connect(made.port, svidOf(CLIENT)), "data");
  expect(String(data)).toBe(SUBJECT);
  await closed(connect(made.port));
  expect(refused).toHaveLength(1);
});

test("another SVID of the server's own is shown to whoever comes next, and nobody is dropped; no session is resumed then either", async () => {
  const { port, setSvid } = await httpsServer();
  const before = connect(port, svidOf(CLIENT));
  expect(await ask(before)).toBe(SUBJECT);
  setSvid(svidOf(leafOf(own, named("spiffe://example.org/verifier/renewed"))));
  const after = connect(port, svidOf(CLIENT));
  expect(await ask(after)).toBe(SUBJECT);
  expect(before.getPeerX509Certificate()?.subjectAltName).toBe("URI:spiffe://example.org/verifier/library");
  expect(after.getPeerX509Certificate()?.subjectAltName).toBe("URI:spiffe://example.org/verifier/renewed");
  expect(await ask(before)).toBe(SUBJECT);
  expect(await ask(connect(port, svidOf(CLIENT), { maxVersion: "TLSv1.2" }))).toBe("cut");
  expect(await ask(connect(port))).toBe("cut");
  const session = after.getSession();
  const resumed = connect(port, svidOf(CLIENT), session === undefined ? {} : { session });
  expect(await ask(resumed)).toBe(SUBJECT);
  expect(resumed.isSessionReused()).toBe(false);
});
