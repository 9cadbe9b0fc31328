import type { KeyObject } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { X509SVID } from "../../src/gen/spiffe/workload/workload_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import {
  AGENT,
  certificatesIn,
  first,
  hintOf,
  next,
  PLAIN,
  RUNTIME,
  type Scene,
  startScene,
  TRUST_DOMAIN_ID,
} from "./workload-scene.ts";

// What changes while a workload is there: its entries, the authorities, the CRLs. Beside the agent it is a runtime and an operator
// here, the WIT-SVID profile is off, and CRLs are sent on streams.

const refusal = (code: status, reason: string) => expect.objectContaining({ code, reason });

let other: Scene;
beforeAll(async () => {
  other = await startScene({
    entries: [AGENT, RUNTIME],
    environment: { STINT_WIT_SVID: "false", STINT_WORKLOAD_CRL_ON_STREAMS: "true" },
  });
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
});

/** The first message like this. Others may come between: a CRL is published whenever it has to be. */
async function until<Message>(
  stream: AsyncIterator<Message, undefined, void>,
  isIt: (message: Message) => boolean,
): Promise<Message> {
  for (;;) {
    const message = await next(stream);
    if (isIt(message)) return message;
  }
}

/** As the ledger writes it. */
function serialNumberOf(svid: X509SVID | undefined): string {
  const [leaf] = certificatesIn(svid?.x509Svid ?? new Uint8Array());
  return leaf?.serialNumber.toLowerCase().replace(/^(00)+/, "") ?? "";
}

test("Workload API §7: without the WIT-SVID profile its RPCs are Unimplemented", async () => {
  const unimplemented = expect.objectContaining({ code: status.UNIMPLEMENTED });
  await expect(first(other.workload.fetchWITSVID({}))).rejects.toEqual(unimplemented);
  await expect(first(other.workload.fetchWITBundles({}))).rejects.toEqual(unimplemented);
});

test("an identity beside any step comes after those of steps, with its role and name as hint, and stays when the steps end", async () => {
  const step = await other.open();
  const stream = other.workload.fetchX509SVID({});
  const { svids } = await next(stream);
  expect(svids.map(({ hint, spiffeId }) => ({ hint, spiffeId }))).toEqual([
    { hint: hintOf(step), spiffeId: step.spiffeId },
    { hint: "runtime/flow", spiffeId: "spiffe://example.org/runtime/flow" },
    { hint: "operator/broker-user", spiffeId: "spiffe://example.org/operator/broker-user" },
  ]);
  await other.close(step);
  const { svids: left } = await until(stream, ({ svids: some }) => some.length < svids.length);
  expect(left).toEqual(svids.slice(1));
  await stream.return?.();
});

test("every SVID that a stream delivers is in the ledger, under its entry or its step", async () => {
  const step = await other.open();
  const { svids } = await first(other.workload.fetchX509SVID({}));
  const { issuances } = await other.operator.history.listIssuances({});
  const newest = issuances.slice(0, svids.length).map(({ serialNumber }) => serialNumber);
  expect(newest).toEqual(svids.map(serialNumberOf).toReversed());
  expect(issuances[svids.length - 1]).toMatchObject({ stepId: step.stepId });
  await other.close(step);
});

test("stricter than §6.2.3: ValidateJWTSVID refuses a token that was taken back by itself, and no other", async () => {
  const step = await other.open();
  const token = async () => (await other.workload.fetchJWTSVID({ audience: [PLAIN] })).svids[0]?.svid ?? "";
  const [kept, taken] = [await token(), await token()];
  const jti = decodeJwt(taken).jti ?? "";
  await other.operator.revocations.revoke({ target: { case: "jti", value: jti }, reason: "keyCompromise" });
  await expect(other.workload.validateJWTSVID({ audience: PLAIN, svid: taken })).rejects.toMatchObject({
    metadata: { field: "svid", verification: "REVOKED" },
  });
  await expect(other.workload.validateJWTSVID({ audience: PLAIN, svid: kept })).resolves.toBeDefined();
  await other.close(step);
});

test("it is no identity for tokens: JWT-SVIDs are of steps", async () => {
  await expect(other.workload.fetchJWTSVID({ audience: [PLAIN] })).rejects.toEqual(
    refusal(status.PERMISSION_DENIED, "NO_IDENTITY"),
  );
});

test("an identity whose entry is disabled is gone at once, and back when it is enabled", async () => {
  const stream = other.workload.fetchX509SVID({});
  const roles = (count: number) => until(stream, ({ svids }) => svids.length === count);
  await roles(2);
  await other.operator.entries.disable({ entry: "runtime/flow" });
  expect((await roles(1)).svids).toMatchObject([{ hint: "operator/broker-user" }]);
  await other.operator.entries.enable({ entry: "runtime/flow" });
  expect((await roles(2)).svids).toMatchObject([{ hint: "runtime/flow" }, { hint: "operator/broker-user" }]);
  await stream.return?.();
});

test("Workload API §5.2.1: CRLs, where they are sent, are whole and DER, and sent anew when a step of an X.509-SVID ends", async () => {
  const step = await other.open();
  const [stream, bundles] = [other.workload.fetchX509SVID({}), other.workload.fetchX509Bundles({})];
  const { crl } = await next(stream);
  expect(crl).toHaveLength(1);
  expect([...(crl[0] ?? [])].slice(0, 2)).toEqual([0x30, 0x82]);
  await next(bundles);
  await other.close(step);
  const isNew = (message: { readonly crl: readonly Uint8Array[] }) =>
    Buffer.compare(message.crl[0] ?? Buffer.of(), crl[0] ?? Buffer.of()) !== 0;
  const { crl: after } = await until(stream, isNew);
  expect((await until(bundles, isNew)).crl).toEqual(after);
  await Promise.all([stream.return?.(), bundles.return?.()]);
});

test("Workload API §5.2.2, §6.2.2: bundles are sent anew when an authority comes, before it signs, and when one is trusted no more", async () => {
  const x509 = other.workload.fetchX509Bundles({});
  const jwt = other.workload.fetchJWTBundles({});
  const svids = other.workload.fetchX509SVID({});
  const { svids: before } = await next(svids);
  await Promise.all([next(x509), next(jwt)]);
  const certificates = ({ bundles }: { bundles: Record<string, Uint8Array> }) =>
    certificatesIn(bundles[TRUST_DOMAIN_ID] ?? new Uint8Array());
  const keys = ({ bundles }: { bundles: Record<string, Uint8Array> }) =>
    (JSON.parse(Buffer.from(bundles[TRUST_DOMAIN_ID] ?? []).toString()) as { keys: { kid: string }[] }).keys;

  const { authorities } = other.operator;
  const { authority: prepared } = await authorities.prepare({ kind: SvidKind.X509 });
  await authorities.prepare({ kind: SvidKind.JWT });
  const [old] = certificates(await until(x509, (message) => certificates(message).length === 2));
  await until(jwt, (message) => keys(message).length === 2);

  await authorities.activate({ authorityId: prepared?.authorityId ?? "", now: true });
  const { authorities: all } = await authorities.list({});
  const retired = all.find(({ certificate }) => Buffer.compare(certificate, old?.raw ?? Buffer.of()) === 0);
  await authorities.taint({ authorityId: retired?.authorityId ?? "" });
  const [only] = certificates(await until(x509, (message) => certificates(message).length === 1));
  expect(Buffer.from(only?.raw ?? [])).toEqual(Buffer.from(prepared?.certificate ?? []));
  // What the tainted one had signed is issued anew, by the other.
  const { svids: after } = await until(
    svids,
    ({ svids: some }) => serialNumberOf(some[0]) !== serialNumberOf(before[0]),
  );
  expect(after.map(({ hint }) => hint)).toEqual(before.map(({ hint }) => hint));
  for (const { x509Svid } of after)
    expect(certificatesIn(x509Svid)[0]?.verify(only?.publicKey as KeyObject)).toBe(true);
  await Promise.all([x509.return?.(), jwt.return?.(), svids.return?.()]);
});
