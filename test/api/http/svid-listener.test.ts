import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { Agent, request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../../src/adapters/x509-der/x509-der.ts";
import { startHttp } from "../../../src/api/http/start-http.ts";
import type { SvidSource } from "../../../src/api/http/tls-context.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../../src/domain/ids.ts";
import { parseSpiffeId } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { pemOf } from "../../authority/crl-scene.ts";
import { present } from "../../contract/ledger-world.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { recordedOf, TRUST_DOMAIN } from "../../samples/credentials.ts";

const ID = "spiffe://example.org/stint/server";
const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
const now = Math.floor(Date.now() / 1_000) as UnixSeconds;

const newAuthority = (): Promise<Authority> =>
  signer.create("x509-svid", { notBefore: addSeconds(now, -60), expiresAt: addSeconds(now, 86_400) });
const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();

/** The broker's own X.509-SVID, made here; `renew` replaces it. */
async function ownSvid() {
  const authority = await newAuthority();
  const listeners = new Set<() => void>();
  let material: ReturnType<SvidSource["material"]>;
  let serialNumber = "";

  async function renew(by = authority): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    serialNumber = newSerialNumber(systemRandomness().bytes(SERIAL_NUMBER_RANDOM_BYTES));
    const format = x509DerFormat();
    const toBeSigned = format.toBeSigned({
      spiffeId: parseSpiffeId(ID),
      notBefore: addSeconds(now, -10),
      expiresAt: addSeconds(now, 300),
      authority: by,
      serialNumber,
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      audiences: [],
      grant: [],
    });
    const leaf = format.assemble(toBeSigned, await signer.signSvid(recordedOf("x509-svid", by, toBeSigned)));
    tell({ certificateChain: pemOf("CERTIFICATE", leaf), privateKey: pem(privateKey) });
    return serialNumber;
  }

  function tell(shown: ReturnType<SvidSource["material"]>): void {
    material = shown;
    for (const changed of listeners) changed();
  }

  await renew();
  const source: SvidSource = {
    material: () => material,
    onChange(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
  };
  return {
    source,
    renew,
    tell,
    listeners,
    ca: pemOf("CERTIFICATE", present(authority.certificate)),
    serial: () => serialNumber,
  };
}

async function serving(own: Awaited<ReturnType<typeof ownSvid>>) {
  const failures: unknown[] = [];
  const routes = new Hono().get("/hello", (context) => context.text("hello"));
  const listener = { host: "127.0.0.1", port: 0, hosts: [], tls: own.source };
  const running = await startHttp(
    listener,
    () => routes,
    (thrown) => failures.push(thrown),
  );
  onTestFinished(running.close);
  return { ...running, failures };
}

/** As a SPIFFE client does it: the SPIFFE ID is checked in place of a host name. */
function checkServerIdentity(
  _host: string,
  { subjectaltname }: { readonly subjectaltname?: string },
): Error | undefined {
  return subjectaltname === `URI:${ID}` ? undefined : new Error("another SPIFFE ID");
}

/** Status, and by which certificate; `standing` on a connection that was there before, whose certificate was seen then. */
function hello(url: string, agent: Agent): Promise<{ readonly status: number; readonly serial: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/hello`, { agent }, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerX509Certificate();
      const serial = sent.reusedSocket ? "standing" : present(certificate).serialNumber.toLowerCase();
      response.resume();
      response.on("end", () => resolve({ status: response.statusCode ?? 0, serial }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

function agentFor(ca: string, options: object = {}): Agent {
  const agent = new Agent({ ca, keepAlive: true, checkServerIdentity, ...options });
  onTestFinished(() => agent.destroy());
  return agent;
}

test("a listener with the broker's own X.509-SVID is known by its SPIFFE ID and the trust domain's CA", async () => {
  const own = await ownSvid();
  const { url } = await serving(own);
  expect(url).toMatch(/^https:/);
  expect(await hello(url, agentFor(own.ca))).toEqual({ status: 200, serial: own.serial() });
  const other = await ownSvid();
  await expect(hello(url, agentFor(other.ca))).rejects.toThrow();
});

test("a renewed one is shown from the next handshake on, and no connection is dropped for it", async () => {
  const own = await ownSvid();
  const { url, failures } = await serving(own);
  const standing = agentFor(own.ca, { maxSockets: 1 });
  await hello(url, standing);
  for (let renewal = 0; renewal < 3; renewal += 1) {
    const serial = await own.renew();
    expect(await hello(url, standing)).toEqual({ status: 200, serial: "standing" });
    expect(await hello(url, agentFor(own.ca))).toEqual({ status: 200, serial });
  }
  expect(failures).toEqual([]);
});

test("after the CA was replaced too, clients that know the new one alone are served", async () => {
  const own = await ownSvid();
  const { url } = await serving(own);
  const next = await newAuthority();
  await own.renew(next);
  const ca = pemOf("CERTIFICATE", present(next.certificate));
  expect(await hello(url, agentFor(ca))).toEqual({ status: 200, serial: own.serial() });
});

test("while there is none no handshake succeeds; when there is one again they do", async () => {
  const own = await ownSvid();
  const { url, failures } = await serving(own);
  own.tell(undefined);
  await expect(hello(url, agentFor(own.ca))).rejects.toThrow();
  await own.renew();
  expect((await hello(url, agentFor(own.ca))).status).toBe(200);
  expect(failures).toEqual([]);
});

test("one that can't be used is told of, and the one before goes on being shown", async () => {
  const own = await ownSvid();
  const { url, failures } = await serving(own);
  const serial = own.serial();
  const { certificateChain = "" } = own.source.material() ?? {};
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  own.tell({ certificateChain, privateKey: pem(privateKey) });
  expect(failures).toHaveLength(1);
  expect(await hello(url, agentFor(own.ca))).toEqual({ status: 200, serial });
});

test("nothing is resumed: every connection shows the certificate of the day", async () => {
  const own = await ownSvid();
  const { url } = await serving(own);
  const port = Number(new URL(url).port);
  const sessions: Buffer[] = [];
  const handshake = (session?: Buffer): Promise<{ readonly isReused: boolean; readonly serial: string }> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, ca: own.ca, checkServerIdentity, ...(session && { session }) });
      socket.on("session", (given) => sessions.push(given));
      socket.on("error", reject);
      socket.on("data", () => {
        const serial = new X509Certificate(present(socket.getPeerX509Certificate()).raw).serialNumber.toLowerCase();
        resolve({ isReused: socket.isSessionReused(), serial });
        socket.destroy();
      });
      socket.write(`GET /hello HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    });
  await handshake();
  expect(await handshake(sessions.at(-1))).toMatchObject({ isReused: false });
  const serial = await own.renew();
  expect(await handshake(sessions.at(-1))).toEqual({ isReused: false, serial });
});

test("once closed it follows the SVID no more", async () => {
  const own = await ownSvid();
  const { close } = await serving(own);
  expect(own.listeners.size).toBe(1);
  await close();
  expect(own.listeners.size).toBe(0);
});
