import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { Client, credentials, type MethodDefinition, Server, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { createUnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../../src/adapters/x509-der/x509-der.ts";
import { CONNECTION_OPTIONS } from "../../../src/api/endpoint/connections.ts";
import {
  listenOnTls,
  type TlsEndpoint,
  type TlsEndpointOptions,
  type TlsIdentity,
  type TlsMaterial,
  type TlsRefusal,
} from "../../../src/api/endpoint/tls-endpoint.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { newSerialNumber } from "../../../src/domain/ids.ts";
import { parseSpiffeId, parseTrustDomain } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { eventually, openDirectory } from "../../adapters/attestor-unix/peer-processes.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { type VirtualClock, virtualClock } from "../../memory/virtual-clock.ts";
import { recordedOf } from "../../samples/credentials.ts";

/** The machine's own time: OpenSSL looks at it. */
const NOW = Math.floor(Date.now() / 1_000) as UnixSeconds;
const TRUST_DOMAIN = parseTrustDomain("example.org");

type Svid = { readonly certificate: string; readonly key: string; readonly serialNumber: string };

/** A certificate authority, and SVIDs signed by it. */
async function domainOf(trustDomain = TRUST_DOMAIN): Promise<{
  readonly authority: Authority;
  readonly root: string;
  svid(id: string, seconds?: number): Promise<Svid>;
}> {
  const signer = memorySigner({ trustDomain, randomness: systemRandomness() });
  const authority = await signer.create("x509-svid", {
    notBefore: addSeconds(NOW, -60),
    expiresAt: addSeconds(NOW, 3_600),
  });
  const format = x509DerFormat();
  return {
    authority,
    root: new X509Certificate(authority.certificate ?? "").toString(),
    async svid(id, seconds = 300) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const serialNumber = newSerialNumber(systemRandomness().bytes(16));
      const toBeSigned = format.toBeSigned({
        spiffeId: parseSpiffeId(id),
        notBefore: addSeconds(NOW, -10),
        expiresAt: addSeconds(NOW, seconds),
        authority,
        serialNumber,
        publicKey: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
        audiences: [],
        grant: [],
      });
      const signature = await signer.signSvid(recordedOf("x509-svid", authority, toBeSigned));
      const certificate = new X509Certificate(format.assemble(toBeSigned, signature)).toString();
      return { certificate, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), serialNumber };
    },
  };
}

const METHOD: MethodDefinition<Buffer, Buffer> = {
  path: "/stint.test.Who/Am",
  requestStream: false,
  responseStream: false,
  requestSerialize: (value) => value,
  requestDeserialize: (value) => value,
  responseSerialize: (value) => value,
  responseDeserialize: (value) => value,
};

let directory: string;
let clock: VirtualClock;
let refusals: TlsRefusal[];
let own: Awaited<ReturnType<typeof domainOf>>;
let material: TlsMaterial | undefined;
let changed: () => void;
/** Serials that are believed no more. */
let disbelieved: Set<string>;

beforeEach(async () => {
  directory = openDirectory();
  clock = virtualClock(NOW);
  refusals = [];
  own = await domainOf();
  const server = await own.svid("spiffe://example.org/stint/server");
  material = { certificateChain: server.certificate, privateKey: server.key, authorities: [own.root] };
  disbelieved = new Set();
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What stands here for the verification of a chain, which has tests of its own. */
function identify(chain: readonly Uint8Array[]): TlsIdentity {
  const certificate = new X509Certificate(chain[0] ?? new Uint8Array());
  const serialNumber = certificate.serialNumber.toLowerCase().replace(/^(00)+/, "");
  if (disbelieved.has(serialNumber)) throw new Error("believed no more");
  return {
    spiffeId: parseSpiffeId(certificate.subjectAltName?.replace("URI:", "") ?? ""),
    serialNumber,
    expiresAt: Math.floor(Date.parse(certificate.validTo) / 1_000 + 1) as UnixSeconds,
  };
}

async function serve(
  place: TlsEndpointOptions["place"] = { host: "127.0.0.1", port: 0 },
  more: Partial<TlsEndpointOptions> = {},
): Promise<TlsEndpoint> {
  const server = new Server(CONNECTION_OPTIONS);
  const unix = createUnixAttestor();
  let endpoint: TlsEndpoint | undefined;
  server.addService(
    { am: METHOD },
    {
      am(call: { getPeer(): string }, callback: (error: null, answer: Buffer) => void) {
        const { identity, process } = endpoint?.peerOf(call) ?? {};
        callback(null, Buffer.from(`${identity?.spiffeId} ${process?.pid ?? "remote"}`));
      },
    },
  );
  endpoint = await listenOnTls({
    place,
    server,
    material: () => material,
    onMaterialChange(listener) {
      changed = listener;
      return () => undefined;
    },
    identify,
    adopt: (fd) => unix.adopt(fd),
    clock,
    onRefused: (refusal) => void refusals.push(refusal),
    ...more,
  });
  const serving = endpoint;
  onTestFinished(() => {
    serving.close();
    server.forceShutdown();
    unix.close();
  });
  return endpoint;
}

function clientAt(target: string, svid: Svid): { am(): Promise<string>; readonly client: Client } {
  const client = new Client(
    target,
    credentials.createSsl(Buffer.from(own.root), Buffer.from(svid.key), Buffer.from(svid.certificate), {
      checkServerIdentity: (_name, { subjectaltname }) =>
        subjectaltname === "URI:spiffe://example.org/stint/server" ? undefined : new Error("another server"),
    }),
    { "grpc.ssl_target_name_override": "stint", "grpc.initial_reconnect_backoff_ms": 50 },
  );
  onTestFinished(() => client.close());
  return {
    client,
    am: () =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          METHOD.path,
          METHOD.requestSerialize,
          METHOD.responseDeserialize,
          Buffer.alloc(0),
          (error, answer) => (error === null ? resolve(String(answer)) : reject(error)),
        ),
      ),
  };
}

/** A handshake, and how it went on: what Node.js calls the error, or that the server ended it. */
async function outcomeOf(socket: TLSSocket): Promise<string> {
  socket.on("data", () => undefined);
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("closed"));
  });
}

test("a client is known by its SVID, and the server by its own, over TCP", async () => {
  const { port } = await serve();
  const client = clientAt(`127.0.0.1:${port}`, await own.svid("spiffe://example.org/runtime/flow"));
  expect(await client.am()).toBe("spiffe://example.org/runtime/flow remote");
});

test("connections that shake no hands keep no other address out, and those whose hands are shaken are not counted", async () => {
  const { port } = await serve(undefined, { handshakesMax: { perAddress: 2, total: 3 } });
  const flow = await own.svid("spiffe://example.org/runtime/flow");
  const known = [clientAt(`127.0.0.1:${port}`, flow), clientAt(`127.0.0.1:${port}`, flow)];
  for (const client of known) expect(await client.am()).toContain("flow");
  const mutes: Socket[] = [];
  for (const localAddress of ["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1", "127.0.0.3"]) {
    const mute = connectTcp({ port: Number(port), host: "127.0.0.1", localAddress }).on("error", () => undefined);
    onTestFinished(() => void mute.destroy());
    mutes.push(mute.resume());
    await once(mute, "connect");
  }
  // The third of one address, and the fourth of all.
  await eventually(() => mutes.map((mute) => mute.closed)).toEqual([false, false, true, false, true]);
  const refused = { reason: "too-many-connections", detail: "before their handshake" };
  // Each of these handshakes has failed, too.
  expect(refusals.filter(({ reason }) => reason !== "handshake")).toEqual([refused, refused]);
  for (const mute of mutes) mute.destroy();
  for (const client of known) expect(await client.am()).toContain("flow");
  await eventually(() => clientAt(`127.0.0.1:${port}`, flow).am().catch(String)).toContain("flow");
});

test("over a unix socket the kernel's word on the process comes along", async () => {
  const path = join(directory, "broker.sock");
  await serve({ path, mode: 0o666 });
  const client = clientAt(`unix:${path}`, await own.svid("spiffe://example.org/runtime/flow"));
  expect(await client.am()).toBe(`spiffe://example.org/runtime/flow ${process.pid}`);
});

test("without a certificate, with a stranger's, or with TLS 1.2 there is no connection, and others are not disturbed", async () => {
  const { port } = await serve();
  const good = clientAt(`127.0.0.1:${port}`, await own.svid("spiffe://example.org/runtime/flow"));
  expect(await good.am()).toContain("flow");
  const stranger = await (await domainOf()).svid("spiffe://example.org/runtime/flow");
  const to = { port: Number(port), host: "127.0.0.1", ca: own.root, checkServerIdentity: () => undefined };
  const strange = { ...to, cert: stranger.certificate, key: stranger.key };
  const { certificate: cert, key } = await own.svid("spiffe://example.org/runtime/flow");
  for (const options of [to, strange, { ...to, cert, key, maxVersion: "TLSv1.2" as const }]) {
    expect(await outcomeOf(connectTls({ ...options, ALPNProtocols: ["h2"] }))).toMatch(
      /ERR_SSL_(TLSV13_ALERT_CERTIFICATE_REQUIRED|TLSV1_ALERT_(UNKNOWN_CA|PROTOCOL_VERSION)|.*)|ECONNRESET|closed/,
    );
  }
  expect(refusals.map(({ reason }) => reason)).toEqual(["handshake", "handshake", "handshake"]);
  expect(await good.am()).toContain("flow");
});

test("whoever the verification refuses is cut off before any call is served", async () => {
  const { port } = await serve();
  const svid = await own.svid("spiffe://example.org/runtime/flow");
  disbelieved.add(svid.serialNumber);
  await expect(clientAt(`127.0.0.1:${port}`, svid).am()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect(refusals[0]).toMatchObject({ reason: "certificate", detail: "believed no more" });
});

test("nothing is resumed: each connection proves its key anew", async () => {
  const { port } = await serve();
  const { certificate: cert, key } = await own.svid("spiffe://example.org/runtime/flow");
  const to = { port: Number(port), host: "127.0.0.1", ca: own.root, cert, key, checkServerIdentity: () => undefined };
  const first = connectTls({ ...to, ALPNProtocols: ["h2"] });
  const [session] = (await once(first, "session")) as [Buffer];
  const again = connectTls({ ...to, ALPNProtocols: ["h2"], session });
  await once(again, "secureConnect");
  expect(again.isSessionReused()).toBe(false);
  for (const socket of [first, again]) socket.destroy();
});

test("the server's SVID is replaced without dropping anyone, and new connections see the new one", async () => {
  const { port } = await serve();
  const client = clientAt(`127.0.0.1:${port}`, await own.svid("spiffe://example.org/runtime/flow"));
  expect(await client.am()).toContain("flow");
  const next = await own.svid("spiffe://example.org/stint/server");
  material = { certificateChain: next.certificate, privateKey: next.key, authorities: [own.root] };
  changed();
  expect(client.client.getChannel().getConnectivityState(false)).toBe(2);
  expect(await client.am()).toContain("flow");
  const { certificate: cert, key } = await own.svid("spiffe://example.org/runtime/flow");
  const socket = connectTls({
    ...{ port: Number(port), host: "127.0.0.1", ca: own.root, cert, key, checkServerIdentity: () => undefined },
    ALPNProtocols: ["h2"],
  });
  await once(socket, "secureConnect");
  expect(socket.getPeerX509Certificate()?.serialNumber.toLowerCase()).toBe(next.serialNumber);
  socket.destroy();
});

test("a connection ends when its client's SVID does, and when the SVID is revoked or its root believed no more", async () => {
  const endpoint = await serve();
  const target = `127.0.0.1:${endpoint.port}`;
  const [short, revoked, distrusted, kept] = await Promise.all(
    [60, 300, 300, 300].map((seconds) => own.svid("spiffe://example.org/runtime/flow", seconds)),
  );
  if (short === undefined || revoked === undefined || distrusted === undefined || kept === undefined) throw new Error();
  const sockets = [short, revoked, distrusted, kept].map(({ certificate: cert, key }) =>
    connectTls({
      ...{ port: Number(endpoint.port), host: "127.0.0.1", ca: own.root, cert, key },
      checkServerIdentity: () => undefined,
      ALPNProtocols: ["h2"],
    }),
  );
  const [shortSocket, revokedSocket, distrustedSocket, keptSocket] = sockets;
  await Promise.all(sockets.map((socket) => once(socket, "data")));
  for (const socket of sockets) socket.on("error", () => undefined);

  endpoint.drop(({ serialNumber }) => serialNumber === revoked.serialNumber);
  await once(revokedSocket as TLSSocket, "close");
  disbelieved.add(distrusted.serialNumber);
  changed();
  await once(distrustedSocket as TLSSocket, "close");
  clock.advance(60_000);
  await once(shortSocket as TLSSocket, "close");
  expect((keptSocket as TLSSocket).destroyed).toBe(false);
  await expect.poll(() => endpoint.connections().open).toBe(1);
  expect(await clientAt(target, kept).am()).toContain("flow");
  keptSocket?.destroy();
});

test("one identity's connections are bounded, and another's are not among them", async () => {
  const { port } = await serve(undefined, { connectionsPerIdentityMax: 1 });
  const target = `127.0.0.1:${port}`;
  const first = clientAt(target, await own.svid("spiffe://example.org/runtime/flow"));
  expect(await first.am()).toContain("flow");
  const second = clientAt(target, await own.svid("spiffe://example.org/runtime/flow"));
  await expect(second.am()).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: "too many connections of this SPIFFE ID: at most 1",
  });
  expect(refusals.at(-1)).toMatchObject({
    reason: "too-many-connections",
    spiffeId: "spiffe://example.org/runtime/flow",
  });
  expect(await clientAt(target, await own.svid("spiffe://example.org/runtime/other")).am()).toContain("other");
});

test("a connection that never speaks TLS is nobody's, and does not stand in the way", async () => {
  const { port } = await serve();
  const raw = connectTcp(Number(port), "127.0.0.1");
  raw.on("error", () => undefined);
  raw.end("GET / HTTP/1.1\r\n\r\n");
  await once(raw, "close");
  expect(refusals).toEqual([expect.objectContaining({ reason: "handshake" })]);
  expect(await clientAt(`127.0.0.1:${port}`, await own.svid("spiffe://example.org/runtime/flow")).am()).toContain(
    "flow",
  );
});
