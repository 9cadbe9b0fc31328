import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { Attestation, JoinTokens } from "../../../src/gen/stint/v1/attestation_pb.js";
import { Credentials } from "../../../src/gen/stint/v1/credentials_pb.js";
import { Steps } from "../../../src/gen/stint/v1/steps_pb.js";
import { openServerTlsChannel } from "../../../src/wire/channel.ts";
import { createClient } from "../../../src/wire/client.ts";
import { type AttestationScene, attestationScene, SERVER_ID } from "./attestation-scene.ts";

/** A client of TLS alone; what it is told is known once it is connected, or refused. */
function tlsTo({ endpoint, roots }: AttestationScene, own: object = {}): TLSSocket {
  const socket = connect({
    port: endpoint.port,
    host: "127.0.0.1",
    servername: "stint",
    ca: roots,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
    ...own,
  });
  socket.on("error", () => undefined);
  // What nobody reads would hide the end behind it.
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return socket;
}

function shownTo(socket: TLSSocket): string {
  return new X509Certificate(socket.getPeerCertificate().raw).serialNumber;
}

test("TLS 1.3 with HTTP/2 is spoken and no certificate asked for; older TLS is refused", async () => {
  const scene = await attestationScene();
  const socket = tlsTo(scene);
  await once(socket, "secureConnect");
  expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(["TLSv1.3", "h2"]);
  expect(new X509Certificate(socket.getPeerCertificate().raw).subjectAltName).toBe(`URI:${SERVER_ID}`);

  const old = tlsTo(scene, { maxVersion: "TLSv1.2" });
  const [error] = await once(old, "error");
  expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
  expect(scene.refusals).toEqual([{ reason: "handshake", detail: expect.any(String) }]);
});

test("a client of another protocol is refused in the handshake", async () => {
  const scene = await attestationScene();
  const [error] = await once(tlsTo(scene, { ALPNProtocols: ["http/1.1"] }), "error");
  expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL" });
});

test("no other service of the broker is there", async () => {
  const scene = await attestationScene();
  for (const call of [
    createClient(JoinTokens, scene.channel).create({ name: "worker" }),
    createClient(Steps, scene.channel).list({}),
    createClient(Credentials, scene.channel).issueX509Svid({}),
  ]) {
    await expect(call).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  }
});

test("health answers without any header", async () => {
  const scene = await attestationScene();
  const client = new Client("", credentials.createInsecure(), { channelOverride: scene.channel });
  const checked = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.concat([Buffer.from([0x0a, 20]), Buffer.from("stint.v1.Attestation")]),
      new Metadata(),
      (error, answer) => (error === null && answer !== undefined ? resolve(answer) : reject(error)),
    );
  });
  // status: SERVING
  expect([...checked]).toEqual([0x08, 1]);
});

test("a new certificate is shown to those who come, and costs those who are there nothing", async () => {
  const scene = await attestationScene();
  const before = tlsTo(scene);
  await once(before, "secureConnect");
  const old = shownTo(before);

  const changed = new Promise<void>((resolve) => void scene.ownSvid.onChange(resolve));
  scene.clock.advance(150_000);
  await changed;
  // OpenSSL's clock is the machine's, by which the new one is not valid yet.
  const after = tlsTo(scene, { rejectUnauthorized: false });
  await once(after, "secureConnect");
  expect(shownTo(after)).not.toBe(old);
  expect(shownTo(after).toLowerCase()).toBe(serialOf(scene));
  expect(before.destroyed).toBe(false);
});

function serialOf({ ownSvid }: AttestationScene): string {
  const { delivery } = ownSvid.current() ?? {};
  return new X509Certificate(delivery?.svid ?? "").serialNumber.toLowerCase();
}

test("one address has so many connections, and all together have so many", async () => {
  const scene = await attestationScene({ endpoint: { connectionsPerAddressMax: 2, connectionsMax: 3 } });
  const held = [tlsTo(scene), tlsTo(scene)];
  await Promise.all(held.map((socket) => once(socket, "secureConnect")));
  const third = tlsTo(scene);
  await once(third, "close");
  expect(scene.refusals).toEqual([{ reason: "too-many-connections", address: "127.0.0.1" }]);

  const elsewhere = tlsTo(scene, { localAddress: "127.0.0.2" });
  await once(elsewhere, "secureConnect");
  const fourth = connectTcp({ port: scene.endpoint.port, host: "127.0.0.1", localAddress: "127.0.0.3" });
  onTestFinished(() => void fourth.destroy());
  fourth.on("error", () => undefined);
  await once(fourth, "close");
  expect(scene.refusals).toHaveLength(2);
  expect(scene.refusals[1]).toEqual({ reason: "too-many-connections" });

  held[0]?.destroy();
  await expect.poll(() => scene.endpoint.connections().open).toBe(2);
  await once(tlsTo(scene), "secureConnect");
});

test("connections of one address that shake no hands, however many, keep no other address out", async () => {
  const scene = await attestationScene({ endpoint: { connectionsPerAddressMax: 2, connectionsMax: 40 } });
  let dropped = 0;
  for (let count = 0; count < 40; count += 1) {
    const mute = connectTcp({ port: scene.endpoint.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    onTestFinished(() => void mute.destroy());
    mute.on("error", () => undefined);
    mute.on("close", () => {
      dropped += 1;
    });
    await once(mute, "connect");
  }
  await expect.poll(() => dropped).toBe(40 - 2 - 32);
  await once(tlsTo(scene), "secureConnect");
});

test("an address with as many connections as it may have is told so by the answer to its call", async () => {
  const scene = await attestationScene({ endpoint: { connectionsPerAddressMax: 1 } });
  const held = tlsTo(scene);
  await once(held, "secureConnect");
  const session = connectHttp2("https://stint", { createConnection: () => tlsTo(scene) });
  onTestFinished(() => session.destroy());
  session.on("error", () => undefined);
  const call = session.request({ ":method": "POST", ":path": "/stint.v1.Attestation/Attest" });
  const [answer] = (await once(call, "response")) as [Record<string, string>];
  expect(answer).toMatchObject({
    "grpc-status": String(status.RESOURCE_EXHAUSTED),
    "grpc-message": expect.stringContaining(encodeURI("too many connections of this address")),
  });
});

test("a connection that says nothing is cut off", async () => {
  const scene = await attestationScene({ endpoint: { silenceMs: 20 } });
  const socket = tlsTo(scene);
  await once(socket, "close");
  expect(scene.refusals).toEqual([{ reason: "silent", address: "127.0.0.1" }]);
});

test("a client takes nobody for the broker but whoever shows its SPIFFE ID by the bundle that it has", async () => {
  const scene = await attestationScene();
  const other = await attestationScene();
  for (const trust of [
    { serverId: "spiffe://other.example/stint/server", authorities: scene.roots },
    { serverId: SERVER_ID, authorities: other.roots },
    { serverName: "broker.example.org", roots: scene.roots },
    {},
  ]) {
    const channel = openServerTlsChannel(`localhost:${scene.endpoint.port}`, trust);
    onTestFinished(() => channel.close());
    const call = createClient(Attestation, channel);
    await expect(call.attest().responses.next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  }
  expect(scene.lines).toEqual([]);
});
