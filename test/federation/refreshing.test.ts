import { beforeEach, describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { trustDomainId } from "../../src/domain/spiffe-id.ts";
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

describe("an endpoint is asked", () => {
  test("again when its bundle recommends, not before, and as often as the newest one says", async () => {
    await scene.federated(published({ sequence: 5, hintSeconds: 60 }));
    scene.advance(59.999);
    expect(scene.asked).toHaveLength(1);
    scene.advance(0.001);
    expect(scene.asked).toHaveLength(2);
    const state = await scene.answered(published({ sequence: 5, hintSeconds: 600 }));
    expect(state.nextRefreshAt).toBe(scene.inSeconds(600));
  });

  test("after five minutes where nothing is recommended", async () => {
    await scene.federated();
    expect(federation.find(FOREIGN).nextRefreshAt).toBe(scene.inSeconds(LIMITS.bundleRefreshSecondsDefault));
  });

  test("soon after a failure, ever later, and as often as before once it answers", async () => {
    await scene.federated(published({ sequence: 5, hintSeconds: 60 }));
    for (const [pauseSeconds, nextSeconds] of [
      [60, 5],
      [5, 10],
      [10, 20],
      [20, 40],
      [40, 60],
      [60, 60],
    ] as const) {
      scene.advance(pauseSeconds);
      const state = await scene.answered(NOT_REACHED);
      const at = scene.clock.now();
      expect(state).toMatchObject({
        failure: { at, message: NOT_REACHED.message },
        nextRefreshAt: scene.inSeconds(nextSeconds),
      });
    }
    scene.advance(60);
    const state = await scene.answered(published({ sequence: 5, hintSeconds: 60 }));
    expect(state).not.toHaveProperty("failure");
    scene.advance(60);
    expect(await scene.answered(NOT_REACHED)).toMatchObject({ nextRefreshAt: scene.inSeconds(5) });
    expect(scene.failures).toHaveLength(7);
  });

  test("at an operator's word, and when it would have been next counts from then", async () => {
    await scene.federated();
    scene.advance(200);
    const refreshed = federation.refresh(FOREIGN);
    expect(scene.asked).toHaveLength(2);
    scene.question().answer(published({ sequence: 6 }));
    expect(await refreshed).toMatchObject({ bundle: { sequence: 6 }, nextRefreshAt: scene.inSeconds(300) });
    scene.advance(299);
    expect(scene.asked).toHaveLength(2);
  });

  test("by one at a time, whose answer is everybody's", async () => {
    await scene.federated();
    const both = [federation.refresh(FOREIGN), federation.refresh(FOREIGN)];
    scene.advance(300);
    expect(scene.asked).toHaveLength(2);
    const states = [...both, scene.answered(published({ sequence: 6 }))];
    for (const state of await Promise.all(states)) expect(state.bundle?.sequence).toBe(6);
    expect(scene.clock.pending()).toBe(1);
  });
});

describe("an answer that brings nothing", () => {
  const other = authorityWith({ san: altNames([uri("spiffe://other.example")], false) });
  const foreignKeys = "bundle.keys: authorities of foreign.example alone; one is of another trust domain";
  const below = "spiffe_sequence: not below the one that was accepted last";
  test.for([
    { what: "is no JSON", answer: "<html>", message: "bundle: a JSON object, no member twice" },
    { what: "has a member twice", answer: '{"keys":[],"keys":[]}', message: "bundle: a JSON object, no member twice" },
    {
      what: "is another trust domain's",
      answer: published({ keys: [x509Key(other)], sequence: 6 }),
      message: foreignKeys,
    },
    { what: "goes back", answer: published({ sequence: 4 }), message: below },
    { what: "counts no more", answer: published(), message: below },
    {
      what: "has other keys and the same sequence",
      answer: published({ keys: [jwtKey("two")], sequence: 5 }),
      message: "spiffe_sequence: a new one for new content",
    },
    {
      what: "is too large to be recorded",
      answer: published({ keys: [jwtKey("k".repeat(60_000))], sequence: 6 }),
      message: "the bundle has more than 49152 bytes of keys",
    },
    {
      what: "is a fault of the broker's",
      answer: new TypeError("secret"),
      message: "the broker failed at it, and its log says why",
    },
    { what: "did not come", answer: NOT_REACHED, message: NOT_REACHED.message },
  ])("because it $what leaves the bundle in force, and says why", async ({ answer, message }) => {
    await scene.federated();
    const before = federation.find(FOREIGN);
    const recorded = scene.head();
    scene.advance(300);
    const state = await scene.answered(answer);
    expect(state).toEqual({
      ...before,
      failure: { at: scene.clock.now(), message },
      nextRefreshAt: scene.inSeconds(5),
    });
    expect(scene.head()).toBe(recorded);
    expect(scene.changes()).toBe(1);
    expect(scene.failures).toHaveLength(1);
  });

  test("because it is the same again is recorded by nobody, and whoever follows is not told", async () => {
    await scene.federated(published({ keys: [jwtKey("one"), jwtKey("two")], sequence: 5 }));
    const recorded = scene.head();
    scene.advance(300);
    const state = await scene.answered(published({ keys: [jwtKey("two"), jwtKey("one")], sequence: 5 }));
    expect(state).not.toHaveProperty("failure");
    expect([scene.head(), scene.changes()]).toEqual([recorded, 1]);
  });

  test("because the ledger can't record it is not in force, and is once it can", async () => {
    await scene.federated();
    scene.fillDisk(true);
    scene.advance(300);
    const next = published({ keys: [jwtKey("two")], sequence: 6 });
    const state = await scene.answered(next);
    expect(state).toMatchObject({ bundle: { sequence: 5 }, failure: { message: "the ledger's disk is full" } });
    expect(scene.kids()).toEqual(["one"]);
    scene.fillDisk(false);
    scene.advance(5);
    expect(await scene.answered(next)).toMatchObject({ bundle: { sequence: 6 } });
    expect(scene.kids()).toEqual(["two"]);
  });
});

describe("keys that were taken back", () => {
  test("are believed no more: the whole bundle may be one that trusts nobody", async () => {
    await scene.federated();
    scene.advance(300);
    await scene.answered(published({ keys: [], sequence: 6 }));
    expect(federation.of(FOREIGN)).toMatchObject({ document: '{"keys":[],"spiffe_sequence":6}' });
    expect(scene.changes()).toBe(2);
  });
});

describe("an endpoint that shows an X.509-SVID is recognised", () => {
  const root = authority();

  test("by the bundle that it gave last, when it is of the trust domain itself", async () => {
    const next = authority();
    const bootstrap = published({ keys: [x509Key(root)], sequence: 1 });
    await federation.create(spiffe("spiffe://foreign.example/server"), bootstrap, OPERATOR);
    scene.advance(0);
    await scene.answered(published({ keys: [x509Key(next)], sequence: 2 }));
    scene.advance(300);
    expect(scene.question().spiffeAuthorities).toEqual([new Uint8Array(next.der)]);
  });

  test("by the broker's own authorities as they are then, when it is of the broker's trust domain", async () => {
    let own = [Uint8Array.of(1)];
    federation = await scene.start({ ownAuthorities: () => own });
    await federation.create(spiffe(`${trustDomainId(OWN)}/bundle-server`), undefined, OPERATOR);
    own = [Uint8Array.of(2)];
    scene.advance(0);
    expect(scene.question().spiffeAuthorities).toEqual([Uint8Array.of(2)]);
  });

  test("by the bundle of the trust domain that it is of, as soon as that is there, and never by another", async () => {
    await federation.create(spiffe("spiffe://global.example/server"), undefined, OPERATOR);
    scene.advance(0);
    const message = "there are no X.509 authorities of global.example to recognise the bundle endpoint by";
    expect(scene.asked).toEqual([]);
    expect(federation.find(FOREIGN)).toMatchObject({ failure: { message }, nextRefreshAt: scene.inSeconds(5) });
    await federation.create({ ...WEB, trustDomain: "global.example" }, undefined, OPERATOR);
    scene.advance(0);
    await scene.answered(published({ keys: [x509Key(root)] }), "global.example");
    scene.advance(5);
    expect(scene.question()).toMatchObject({
      relationship: { trustDomain: FOREIGN },
      spiffeAuthorities: [new Uint8Array(root.der)],
    });
    await scene.answered(published());
    await federation.remove("global.example", OPERATOR);
    scene.advance(300);
    expect(federation.find(FOREIGN)).toMatchObject({ failure: { message } });
    expect(scene.kids()).toEqual(["one"]);
  });
});
