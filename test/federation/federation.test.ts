import { beforeEach, describe, expect, test } from "vitest";
import { type FederationRelationshipInput, parseFederationRelationship } from "../../src/domain/federation.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Federation } from "../../src/federation/federation.ts";
import { OPERATOR } from "../contract/ledger-world.ts";
import { altNames, authority, uri } from "../verify/certificate-forge.ts";
import { NOT_REACHED, OWN, openScene, type Scene, spiffe, WEB } from "./federation-scene.ts";
import { authorityWith, FOREIGN, jwtKey, published, x509Key } from "./foreign-bundle.ts";

let scene: Scene;
let federation: Federation;

beforeEach(async () => {
  scene = await openScene();
  federation = await scene.start();
});

const OF_TRUST_DOMAIN = { code: "INVALID_FIELD", metadata: { field: "trust_domain" } };

describe("a relationship", () => {
  test("begins on record and without a bundle, and its endpoint is asked at once", async () => {
    const state = await federation.create(WEB, undefined, OPERATOR);
    const relationship = parseFederationRelationship(WEB, OWN);
    expect(state).toEqual({ relationship, nextRefreshAt: scene.clock.now() });
    expect(await scene.recorded()).toEqual([{ relationship }]);
    expect(federation.of(FOREIGN)).toBeUndefined();
    scene.advance(0);
    expect(scene.asked).toMatchObject([{ relationship, spiffeAuthorities: [] }]);
  });

  test("has the bundle that its endpoint gave, on record and in force, and whoever follows is told", async () => {
    await scene.federated(published({ keys: [jwtKey("one")], sequence: 5, hintSeconds: 60 }));
    const state = federation.find(FOREIGN);
    const relationship = parseFederationRelationship(WEB, OWN);
    const document = expect.stringMatching(/"kid":"one".*"spiffe_sequence":5,"spiffe_refresh_hint":60/);
    const bundle = { trustDomain: FOREIGN, document, sequence: 5, acceptedAt: scene.clock.now() };
    expect(state).toEqual({ relationship, bundle, nextRefreshAt: scene.inSeconds(60) });
    expect(federation.of(FOREIGN)).toEqual(state.bundle);
    expect(await scene.recorded()).toEqual([{ relationship, bundle: state.bundle }]);
    expect(scene.changes()).toBe(1);
  });

  test("is listed with the others, by trust domain", async () => {
    for (const name of ["zebra", "foreign", "a"]) {
      await federation.create({ ...WEB, trustDomain: `${name}.example` }, undefined, OPERATOR);
    }
    expect(federation.list().map(({ relationship }) => relationship.trustDomain)).toEqual([
      "a.example",
      "foreign.example",
      "zebra.example",
    ]);
    expect(() => federation.find("nobody.example")).toThrow(expect.objectContaining(OF_TRUST_DOMAIN));
    await expect(federation.refresh("nobody.example")).rejects.toMatchObject(OF_TRUST_DOMAIN);
    await expect(federation.remove("nobody.example", OPERATOR)).rejects.toMatchObject(OF_TRUST_DOMAIN);
  });

  const self = spiffe("spiffe://foreign.example/server");
  const root = authority();
  const other = authorityWith({ san: altNames([uri("spiffe://other.example")], false) });
  test.for<{ what: string; input: FederationRelationshipInput; bootstrap?: string; code?: string; field?: string }>([
    { what: "with the broker's own trust domain", input: { ...WEB, trustDomain: OWN }, field: "trust_domain" },
    { what: "without a profile", input: { ...WEB, profile: undefined }, field: "profile" },
    { what: "whose endpoint is of itself, without a bundle", input: self, field: "bundle" },
    { what: "with a bundle without the roots it needs", input: self, bootstrap: published(), field: "bundle" },
    { what: "with a bundle that is none", input: WEB, bootstrap: "{}", field: "bundle.keys" },
    {
      what: "with another trust domain's bundle",
      input: self,
      bootstrap: published({ keys: [x509Key(root), x509Key(other)] }),
      field: "bundle.keys",
    },
    {
      what: "with a map that lacks its bundle",
      input: self,
      bootstrap: `{"trust_domains":{"other.example":${published({ keys: [x509Key(root)] })}}}`,
      field: "bundle",
    },
    {
      what: "with a bundle that is too large",
      input: WEB,
      bootstrap: published().padEnd(LIMITS.foreignBundleBytesMax + 1),
      code: "LIMIT_EXCEEDED",
    },
  ])("does not begin $what", async ({ input, bootstrap, code = "INVALID_FIELD", field }) => {
    const metadata = field === undefined ? {} : { field };
    await expect(federation.create(input, bootstrap, OPERATOR)).rejects.toMatchObject({ code, metadata });
    expect(scene.head()).toBe((await openScene()).head());
    expect(federation.list()).toEqual([]);
  });

  test("does not begin twice", async () => {
    await federation.create(WEB, undefined, OPERATOR);
    await expect(federation.create(WEB, undefined, OPERATOR)).rejects.toMatchObject(OF_TRUST_DOMAIN);
    expect(scene.clock.pending()).toBe(1);
  });

  test.for([
    { what: "a bundle", textOf: (bundle: string) => bundle },
    { what: "a bundle map", textOf: (bundle: string) => `{"trust_domains":{"foreign.example":${bundle}}}` },
  ])("begins with $what where there is one, by which its endpoint is recognised then", async ({ textOf }) => {
    const text = textOf(published({ keys: [x509Key(root)], sequence: 3 }));
    const state = await federation.create(self, text, OPERATOR);
    expect(state.bundle).toMatchObject({ sequence: 3, acceptedAt: scene.clock.now() });
    expect(await scene.recorded()).toEqual([{ relationship: state.relationship, bundle: state.bundle }]);
    expect(scene.changes()).toBe(1);
    scene.advance(0);
    expect(scene.question().spiffeAuthorities).toEqual([new Uint8Array(root.der)]);
  });
});

describe("after a restart", () => {
  test("the bundles of before are in force without anybody being asked, and then their endpoints are", async () => {
    await scene.federated(published({ sequence: 5, hintSeconds: 60 }));
    const before = federation.find(FOREIGN);
    scene.advance(20);
    federation = await scene.start();
    expect(scene.asked).toHaveLength(1);
    expect(federation.find(FOREIGN)).toEqual({ ...before, nextRefreshAt: scene.clock.now() });
    expect(scene.kids()).toEqual(["one"]);
    scene.advance(0);
    expect(scene.asked).toHaveLength(2);
    expect(await scene.answered(NOT_REACHED)).toMatchObject({
      bundle: before.bundle,
      nextRefreshAt: scene.inSeconds(5),
    });
    expect(scene.kids()).toEqual(["one"]);
    scene.advance(5);
    await scene.answered(NOT_REACHED);
    // The regular interval is that of the bundle, as it was before.
    for (const pause of [10, 20, 40]) {
      scene.advance(pause);
      await scene.answered(NOT_REACHED);
    }
    expect(federation.find(FOREIGN).nextRefreshAt).toBe(scene.inSeconds(60));
  });

  test("a bundle may go back no more than before", async () => {
    await scene.federated();
    federation = await scene.start();
    scene.advance(0);
    expect(await scene.answered(published({ sequence: 4 }))).toMatchObject({ bundle: { sequence: 5 } });
  });
});

describe("a relationship that ends", () => {
  test("takes its bundle with it, asks nobody any more, and whoever follows is told", async () => {
    await scene.federated();
    await federation.remove(FOREIGN, OPERATOR);
    expect(federation.of(FOREIGN)).toBeUndefined();
    expect(federation.list()).toEqual([]);
    expect(await scene.recorded()).toEqual([]);
    expect(scene.changes()).toBe(2);
    expect(scene.clock.pending()).toBe(0);
    federation = await scene.start();
    expect(federation.list()).toEqual([]);
  });

  test.for([
    { what: "an answer that comes all the same", end: () => scene.question().answer(published({ sequence: 5 })) },
    { what: "the failure that this is", end: () => scene.question().refuse(NOT_REACHED) },
  ])("gives up what is under way, and $what is dropped", async ({ end }) => {
    await federation.create(WEB, undefined, OPERATOR);
    const refreshed = federation.refresh(FOREIGN);
    await federation.remove(FOREIGN, OPERATOR);
    expect(scene.question().signal.aborted).toBe(true);
    const recorded = scene.head();
    end();
    await expect(refreshed).rejects.toMatchObject(OF_TRUST_DOMAIN);
    expect(federation.list()).toEqual([]);
    expect(scene.head()).toBe(recorded);
    expect(scene.clock.pending()).toBe(0);
    expect(scene.failures).toEqual([]);
  });

  test("ends with a bundle that is being recorded, and is not asked again for that", async () => {
    await scene.federated();
    let hear = (): void => undefined;
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    const recorded = new Promise<void>((resolve) => {
      scene.afterAct(async ({ act }) => {
        if (act !== "accept-bundle") return;
        resolve();
        await heard;
      });
    });
    const refreshed = federation.refresh(FOREIGN);
    scene.question().answer(published({ sequence: 6 }));
    await recorded;
    await federation.remove(FOREIGN, OPERATOR);
    hear();
    await expect(refreshed).rejects.toMatchObject(OF_TRUST_DOMAIN);
    expect(federation.of(FOREIGN)).toBeUndefined();
    expect(await scene.recorded()).toEqual([]);
    expect(scene.clock.pending()).toBe(0);
  });

  test("gives nothing to the one that follows it: neither its late answer nor its sequence", async () => {
    await scene.federated(published({ sequence: 50 }));
    const refreshed = federation.refresh(FOREIGN);
    const old = scene.question();
    await federation.remove(FOREIGN, OPERATOR);
    await federation.create({ ...WEB, bundleEndpointUrl: "https://moved.example/" }, undefined, OPERATOR);
    old.answer(published({ keys: [jwtKey("late")], sequence: 51 }));
    expect(await refreshed).not.toHaveProperty("bundle");
    scene.advance(0);
    expect(await scene.answered(published({ keys: [jwtKey("new")], sequence: 1 }))).toMatchObject({
      relationship: { bundleEndpointUrl: "https://moved.example/" },
      bundle: { sequence: 1 },
    });
    expect(scene.kids()).toEqual(["new"]);
  });

  test("does not end when that can't be recorded: it stays in force, and its endpoint is asked again", async () => {
    await scene.federated();
    scene.fillDisk(true);
    await expect(federation.remove(FOREIGN, OPERATOR)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    scene.fillDisk(false);
    expect(scene.kids()).toEqual(["one"]);
    scene.advance(0);
    await scene.answered(published({ keys: [jwtKey("two")], sequence: 6 }));
    expect(scene.kids()).toEqual(["two"]);
  });

  test("drops an answer that came in the moment before", async () => {
    await scene.federated();
    const refreshed = federation.refresh(FOREIGN);
    scene.question().answer(published({ keys: [jwtKey("late")], sequence: 6 }));
    const [removed] = await Promise.allSettled([federation.remove(FOREIGN, OPERATOR), refreshed]);
    expect(removed.status).toBe("fulfilled");
    expect(federation.list()).toEqual([]);
    expect(scene.changes()).toBe(2);
    expect(scene.failures).toEqual([]);
  });

  test("ends once, whoever says so twice", async () => {
    await scene.federated();
    const [first, second] = await Promise.allSettled([
      federation.remove(FOREIGN, OPERATOR),
      federation.remove(FOREIGN, OPERATOR),
    ]);
    expect([first.status, second.status]).toEqual(["fulfilled", "rejected"]);
    expect(federation.list()).toEqual([]);
    expect(scene.changes()).toBe(2);
    expect(scene.clock.pending()).toBe(0);
  });
});

describe("when the broker stops", () => {
  test("nobody is asked any more, what is under way is given up, and an answer to it is dropped", async () => {
    await scene.federated();
    await federation.create({ ...WEB, trustDomain: "second.example" }, undefined, OPERATOR);
    const refreshed = federation.refresh(FOREIGN);
    federation.stop();
    expect(scene.question().signal.aborted).toBe(true);
    expect(scene.clock.pending()).toBe(0);
    const recorded = scene.head();
    scene.question().answer(published({ sequence: 6 }));
    expect(await refreshed).toMatchObject({ bundle: { sequence: 5 } });
    expect(scene.head()).toBe(recorded);
    expect(scene.clock.pending()).toBe(0);
    expect(scene.failures).toEqual([]);
  });

  test("a relationship that begins just then is on record, and asked after the restart", async () => {
    const creating = federation.create(WEB, undefined, OPERATOR);
    federation.stop();
    await creating;
    expect(scene.clock.pending()).toBe(0);
    federation = await scene.start();
    scene.advance(0);
    expect(scene.asked).toHaveLength(1);
  });

  test("whoever ended to follow is told nothing", async () => {
    let told = 0;
    const end = federation.onChange(() => {
      told += 1;
    });
    await scene.federated();
    end();
    scene.advance(300);
    await scene.answered(published({ sequence: 6 }));
    expect(told).toBe(1);
  });
});
