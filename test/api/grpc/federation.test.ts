import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parseBundleMap } from "../../../src/domain/bundle-map.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { Federation, type FederationCreateRequestSchema } from "../../../src/gen/stint/v1/federation_pb.js";
import type { ClientOf } from "../../../src/wire/client.ts";
import { type Caller, callerWith, FLOW, identityOf } from "../../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { type Operator, operatorOf } from "../../e2e/operator.ts";
import { FOREIGN, jwtKey, published, witKey, x509Key } from "../../federation/foreign-bundle.ts";
import { authority } from "../../verify/certificate-forge.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ADMIN = { kind: "operator", name: "admin", selectors, role: "admin" };
const VIEWER = { kind: "operator", name: "viewer", selectors, role: "viewer" };
const RUNTIME = { kind: "runtime", name: "flow", selectors, agents: ["researcher"] };

/** Nobody listens there: what a relationship has is what it was given. */
const NOWHERE = "https://127.0.0.1:9/bundle";
const BUNDLE = published({ keys: [x509Key(authority()), jwtKey("one"), jwtKey("two"), witKey("three")], sequence: 0 });
const REQUEST = {
  trustDomain: FOREIGN,
  bundleEndpointUrl: NOWHERE,
  profile: { case: "httpsWeb", value: {} },
  bundle: Buffer.from(BUNDLE),
} satisfies MessageInitShape<typeof FederationCreateRequestSchema>;

let daemon: Daemon;
let operator: Operator;
beforeAll(async () => {
  daemon = await startDaemon({
    entries: [ADMIN, RUNTIME],
    config: (directory) => ({ broker: { socket: join(directory, "broker.sock") } }),
  });
  operator = operatorOf(daemon.operatorSocket);
});
afterAll(async () => {
  operator[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});
afterEach(async () => {
  const { relationships } = await operator.federation.list({});
  for (const { trustDomain } of relationships) await operator.federation.delete({ trustDomain });
});

/** Somebody on the broker endpoint, by an X.509-SVID. */
async function remote(spiffeId: string): Promise<ClientOf<typeof Federation>> {
  const caller: Caller = callerWith(daemon, await identityOf(daemon, spiffeId));
  onTestFinished(() => caller[Symbol.dispose]());
  return caller.clientOf(Federation);
}

describe("a relationship", () => {
  test("is answered as it is kept: from where, how recognised, what is in force, and when the endpoint is asked", async () => {
    const { relationship: created } = await operator.federation.create(REQUEST);
    expect(created).toMatchObject({
      trustDomain: FOREIGN,
      bundleEndpointUrl: NOWHERE,
      profile: { case: "httpsWeb" },
      bundle: { spiffeSequence: 0n, x509Authorities: 1, jwtKeys: 2, witKeys: 1 },
    });
    expect(created?.bundle?.acceptedAt?.seconds).toBeGreaterThan(0n);
    expect(created?.nextRefreshAt?.seconds).toBeGreaterThan(0n);

    const { relationship: refreshed } = await operator.federation.refresh({ trustDomain: FOREIGN });
    expect(refreshed?.failure).toMatchObject({ message: "the bundle endpoint can't be reached" });
    expect(refreshed?.failure?.at?.seconds).toBeGreaterThan(0n);
    expect(refreshed?.bundle).toEqual(created?.bundle);
    const { relationship: got } = await operator.federation.get({ trustDomain: FOREIGN });
    expect(got?.failure?.message).toBe(refreshed?.failure?.message);
  });

  test("without a bundle has none, and one whose publisher does not count has no sequence", async () => {
    const { relationship } = await operator.federation.create({ ...REQUEST, bundle: new Uint8Array() });
    expect(relationship?.bundle).toBeUndefined();
    const uncounted = Buffer.from(published());
    const other = await operator.federation.create({ ...REQUEST, trustDomain: "uncounted.example", bundle: uncounted });
    expect(other.relationship?.bundle).toMatchObject({ jwtKeys: 1 });
    expect(other.relationship?.bundle?.spiffeSequence).toBeUndefined();
    const { relationships } = await operator.federation.list({});
    expect(relationships.map(({ trustDomain }) => trustDomain)).toEqual([FOREIGN, "uncounted.example"]);
  });

  test("names the X.509-SVID that its endpoint is to show", async () => {
    const endpointSpiffeId = `spiffe://${FOREIGN}/stint/server`;
    const profile = { case: "httpsSpiffe", value: { endpointSpiffeId } } as const;
    const { relationship } = await operator.federation.create({ ...REQUEST, profile });
    expect(relationship?.profile).toMatchObject({ case: "httpsSpiffe", value: { endpointSpiffeId } });
  });

  test("is on record with the operator that entered into it and ended it, and in the log by its trust domain", async () => {
    await operator.federation.create(REQUEST);
    await operator.federation.delete({ trustDomain: FOREIGN });
    const { events } = await operator.history.listEvents({ filter: { pageSize: 3 } });
    expect(events.map(({ type }) => type)).toEqual(["federation.ended", "bundle.accepted", "federation.put"]);
    const by = events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()).by);
    const own = expect.objectContaining({ kind: "operator", uid: process.getuid?.() });
    expect(by).toEqual([own, undefined, own]);
    const lines = daemon.log.filter(({ method }) => method === "Federation.Create");
    expect(lines.at(-1)).toMatchObject({ outcome: "OK", trustDomain: FOREIGN });
  });
});

test("the bundle map has the foreign bundles in force, and the broker's own as everybody fetches it", async () => {
  await operator.federation.create(REQUEST);
  await operator.federation.create({ ...REQUEST, trustDomain: "empty.example", bundle: new Uint8Array() });
  const { bundleMap } = await operator.federation.getBundles({});
  const text = Buffer.from(bundleMap).toString();
  const { trust_domains: byName } = JSON.parse(text) as { trust_domains: Record<string, unknown> };
  expect(Object.keys(byName)).toEqual(["example.org", FOREIGN]);
  expect(byName["example.org"]).toEqual(await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).json());
  expect(parseBundleMap(text).get(FOREIGN)).toMatchObject({ sequence: 0, x509: [expect.any(Uint8Array)] });
});

describe("create refuses", () => {
  test.for<{ what: string; change: Partial<typeof REQUEST> | { profile: { case: undefined } }; field: string }>([
    { what: "no profile", change: { profile: { case: undefined } }, field: "profile" },
    { what: "a bundle that is no text", change: { bundle: Buffer.of(0xff, 0xfe) }, field: "bundle" },
    { what: "a bundle that is no bundle", change: { bundle: Buffer.from("{}") }, field: "bundle.keys" },
    {
      what: "a name that is none",
      change: { trustDomain: "Foreign.Example" as typeof FOREIGN },
      field: "trust_domain",
    },
    {
      what: "a URL that is not https",
      change: { bundleEndpointUrl: "http://a.example/" },
      field: "bundle_endpoint_url",
    },
  ])("$what, by its field", async ({ change, field }) => {
    const refused = operator.federation.create({ ...REQUEST, ...change });
    await expect(refused).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field } });
    expect((await operator.federation.list({})).relationships).toEqual([]);
  });

  test("a request that is too large, whatever it holds", async () => {
    const bundle = Buffer.alloc(LIMITS.requestBytesMax, " ");
    const refused = operator.federation.create({ ...REQUEST, bundle });
    await expect(refused).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });

  test("a second relationship with the same trust domain", async () => {
    await operator.federation.create(REQUEST);
    const again = operator.federation.create(REQUEST);
    await expect(again).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "trust_domain" } });
  });
});

test.for(["get", "refresh", "delete"] as const)("%s refuses a trust domain without a relationship", async (method) => {
  const refused = operator.federation[method]({ trustDomain: "nobody.example" });
  await expect(refused).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "trust_domain" } });
});

describe("who may call", () => {
  test("operators on the broker endpoint as on their socket, and nobody else there", async () => {
    const admin = await remote("spiffe://example.org/operator/admin");
    await admin.create(REQUEST);
    const runtime = await remote(FLOW);
    for (const call of [
      () => runtime.create({ ...REQUEST, trustDomain: "second.example" }),
      () => runtime.get({ trustDomain: FOREIGN }),
      () => runtime.list({}),
      () => runtime.refresh({ trustDomain: FOREIGN }),
      () => runtime.delete({ trustDomain: FOREIGN }),
      () => runtime.getBundles({}),
    ]) {
      await expect(call()).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
    expect((await admin.list({})).relationships).toHaveLength(1);
  });

  test("whoever may only look sees all of it and changes nothing", async () => {
    const own = await startDaemon({ entries: [ADMIN] });
    {
      using first = operatorOf(own.operatorSocket);
      await first.federation.create(REQUEST);
    }
    await own.stop();
    await using again = await startDaemon({ entries: [VIEWER], directory: own.directory });
    using viewer = operatorOf(again.operatorSocket);
    expect((await viewer.federation.list({})).relationships).toHaveLength(1);
    expect((await viewer.federation.get({ trustDomain: FOREIGN })).relationship?.bundle?.jwtKeys).toBe(2);
    expect(Buffer.from((await viewer.federation.getBundles({})).bundleMap).toString()).toContain(FOREIGN);
    for (const call of [
      () => viewer.federation.create({ ...REQUEST, trustDomain: "second.example" }),
      () => viewer.federation.refresh({ trustDomain: FOREIGN }),
      () => viewer.federation.delete({ trustDomain: FOREIGN }),
    ]) {
      await expect(call()).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
    expect((await viewer.federation.list({})).relationships).toHaveLength(1);
  });
});
