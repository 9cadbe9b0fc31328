import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type RequestOptions, request } from "node:https";
import { json } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import type { SpiffeBundleDocument } from "../../src/domain/bundle.ts";
import { AuthorityState } from "../../src/gen/stint/v1/authorities_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { madeCertificate } from "../api/http/http-peers.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { operatorOf } from "./operator.ts";

/** For so many refresh hints a key has to be published before it signs, by SPIFFE Federation section 4.1. */
const HINTS_BEFORE_USE = 5;

async function publisher(http: object): Promise<Daemon> {
  const daemon = await startDaemon({ config: { http: { listen: "127.0.0.1:0", ...http } } });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

/** What the endpoint shows and answers to somebody who shows nothing. */
async function asked(daemon: Daemon, options: RequestOptions) {
  const question = request(`${daemon.httpUrl}/spiffe-bundle.json`, { agent: false, ...options }).end();
  const [answer] = (await once(question, "response")) as [IncomingMessage];
  const shown = (answer.socket as TLSSocket).getPeerCertificate().subjectaltname;
  const bundle = (await json(answer)) as SpiffeBundleDocument;
  return { status: answer.statusCode, type: answer.headers["content-type"], shown, bundle };
}

/** As a client that recognises the endpoint by its SPIFFE ID would, and here does not. */
const BY_SVID = { rejectUnauthorized: false };

test("with a certificate from files, the bundle is there for anybody who asks as on the web", async () => {
  const { certificate, privateKey, pem } = madeCertificate();
  const daemon = await publisher({ tls: { certificate, private_key: privateKey } });
  const { status, type, bundle } = await asked(daemon, { ca: pem });
  expect([status, type]).toEqual([200, "application/json"]);
  expect(bundle.keys.map(({ use }) => use).sort()).toEqual(["jwt-svid", "wit-svid", "x509-svid"]);
});

test("with the broker's own X.509-SVID, it is there by address and by every name in `hosts`", async () => {
  const daemon = await publisher({ own_svid: true, hosts: ["stint.partner.example"] });
  for (const headers of [{}, { host: "stint.partner.example" }, { host: "stint.partner.example:8443" }]) {
    expect(await asked(daemon, { ...BY_SVID, headers })).toMatchObject({
      status: 200,
      type: "application/json",
      shown: "URI:spiffe://example.org/stint/server",
    });
  }
});

test("the sequence grows with every change of the keys and with nothing else, a restart included", async () => {
  const daemon = await publisher({ own_svid: true });
  const sequences: number[] = [];
  const look = async (at: Daemon) => {
    const { bundle } = await asked(at, BY_SVID);
    sequences.push(bundle.spiffe_sequence);
    return bundle;
  };
  await look(daemon);
  {
    using operator = operatorOf(daemon.operatorSocket);
    const { authorities } = await operator.authorities.list({});
    const signing = authorities.find(({ kind, state }) => kind === SvidKind.JWT && state === AuthorityState.ACTIVE);
    const { authority } = await operator.authorities.prepare({ kind: SvidKind.JWT });
    await look(daemon);
    await operator.authorities.activate({ authorityId: authority?.authorityId ?? "", now: true });
    await operator.authorities.revoke({ authorityId: signing?.authorityId ?? "" });
  }
  const before = await look(daemon);
  await daemon.stop();
  await using again = await daemon.restart();
  expect(await look(again)).toEqual(before);
  const [first = 0, prepared = 0, revoked = 0, restarted = 0] = sequences;
  expect([prepared > first, revoked > prepared, restarted === revoked]).toEqual([true, true, true]);
});

test("a key is published for five times as long as the bundle says to wait, before it signs", async () => {
  const daemon = await publisher({ own_svid: true });
  using operator = operatorOf(daemon.operatorSocket);
  const { authority } = await operator.authorities.prepare({ kind: SvidKind.JWT });
  const published = Number((authority?.activatableAt?.seconds ?? 0n) - (authority?.stateSince?.seconds ?? 0n));
  const { bundle } = await asked(daemon, BY_SVID);
  expect(bundle.keys.map((key) => ("kid" in key ? key.kid : ""))).toContain(authority?.authorityId);
  expect(published).toBeGreaterThanOrEqual(HINTS_BEFORE_USE * bundle.spiffe_refresh_hint);
});
