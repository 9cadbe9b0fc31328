import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Authorities } from "../../src/authority/authorities.ts";
import type { Authority } from "../../src/domain/authority.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { secondsOf } from "../../src/domain/time.ts";
import { OPERATOR, present } from "../contract/ledger-world.ts";
import {
  activeOf,
  inState,
  LIFETIME_SECONDS,
  openScene,
  PROPAGATION_SECONDS,
  type Scene,
  statesOf,
} from "./authority-scene.ts";

let scene: Scene;
let authorities: Authorities;
beforeEach(async () => {
  scene = await openScene();
  authorities = await scene.start();
});
afterEach(() => scene.close());

const withdraw = { reason: "cACompromise", by: OPERATOR } as const;
const refused = (words: RegExp) => ({ code: "INVALID_FIELD", message: expect.stringMatching(words) });
const isShown = ({ authorityId }: Authority) => authorities.all().some((one) => one.authorityId === authorityId);

/** A new key, and it signs at once. */
async function replace(): Promise<{ readonly old: Authority; readonly active: Authority }> {
  const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
  await authorities.activate(authorityId, { haste: "at-once", by: OPERATOR });
  return { old: inState(authorities, "old"), active: activeOf(authorities) };
}

async function ordersOnRecord(): Promise<readonly object[]> {
  const events = await scene.world.store.history.events({ type: "operator.acted", limit: 100, oldestFirst: true });
  return events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()) as object);
}

describe("prepare", () => {
  test("publishes a new key of one family, which waits to be activated however long it takes", async () => {
    const before = activeOf(authorities);
    const prepared = await authorities.prepare("jwt-svid", OPERATOR);
    expect(isShown(prepared)).toBe(true);
    expect(statesOf(authorities, "x509-svid")).toEqual(["active"]);
    await scene.pass(2 * PROPAGATION_SECONDS);
    expect(activeOf(authorities)).toEqual(before);
    expect(await ordersOnRecord()).toMatchObject([
      { act: "authority-prepare", target: prepared.authorityId, reason: "jwt-svid", by: OPERATOR },
    ]);
  });

  test("is what the schedule goes on with when its time comes", async () => {
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    await scene.pass(LIFETIME_SECONDS / 2 + 60);
    expect(activeOf(authorities).authorityId).toBe(authorityId);
  });

  test("is refused while one is prepared, naming that", async () => {
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    await expect(authorities.prepare("jwt-svid", OPERATOR)).rejects.toMatchObject(refused(new RegExp(authorityId)));
    await authorities.prepare("x509-svid", OPERATOR);
  });

  test("of two that come together makes one", async () => {
    const answers = await Promise.allSettled([1, 2].map(() => authorities.prepare("wit-svid", OPERATOR)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(statesOf(authorities, "wit-svid")).toEqual(["active", "prepared"]);
  });
});

describe("activate", () => {
  test("is refused before the key has been published for long enough, and says how long is left", async () => {
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    await scene.pass(PROPAGATION_SECONDS - 1);
    const order = { haste: "none" as const, by: OPERATOR };
    await expect(authorities.activate(authorityId, order)).rejects.toMatchObject(refused(/900 s; 1 s are left.*force/));
    await scene.pass(1);
    await authorities.activate(authorityId, order);
    expect(activeOf(authorities).authorityId).toBe(authorityId);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["old", "active"]);
    expect(await ordersOnRecord()).toMatchObject([
      { act: "authority-prepare" },
      { act: "authority-activate", target: authorityId, reason: "published for long enough" },
    ]);
  });

  test("by force waits until libraries ask for the key, and says on record that it was, and how early", async () => {
    const before = activeOf(authorities);
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    const order = { haste: "forced" as const, by: OPERATOR };
    await scene.pass(34);
    await expect(authorities.activate(authorityId, order)).rejects.toMatchObject({
      ...refused(/published for 35 s; 1 s are left, or use now/),
      metadata: { field: "authority_id", seconds_left: "1" },
    });
    expect(activeOf(authorities)).toEqual(before);
    await scene.pass(1);
    await authorities.activate(authorityId, order);
    expect(activeOf(authorities).authorityId).toBe(authorityId);
    expect((await ordersOnRecord()).at(-1)).toMatchObject({ target: authorityId, reason: "forced, 865 s early" });
  });

  test("at once says on record that it was, and how early", async () => {
    const { active } = await replace();
    expect((await ordersOnRecord()).at(-1)).toMatchObject({
      target: active.authorityId,
      reason: "at-once, 900 s early",
    });
  });

  test("does not keep another key from being taken back while one waits", async () => {
    const { old } = await replace();
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    await authorities.activate(authorityId, { haste: "forced", by: OPERATOR }).catch(() => undefined);
    expect(await authorities.taint(old.authorityId, withdraw)).toMatchObject({ authority: { tainted: true } });
    expect(await authorities.revoke(authorityId, withdraw)).toMatchObject({ authority: { state: "removed" } });
  });

  test("is for a prepared one alone", async () => {
    const { old, active } = await replace();
    for (const { authorityId } of [old, active]) {
      const order = { haste: "at-once" as const, by: OPERATOR };
      await expect(authorities.activate(authorityId, order)).rejects.toMatchObject(
        refused(/prepared; it is (old|active)/),
      );
    }
    await expect(authorities.activate("nobody", { haste: "at-once", by: OPERATOR })).rejects.toMatchObject(
      refused(/the id of/),
    );
  });
});

describe("taint", () => {
  test("takes back what an old key signed and takes it out of the bundle at once, but keeps it until it is due", async () => {
    const { authorityId } = activeOf(authorities);
    const step = await scene.world.open(await scene.world.agent());
    const record = await scene.world.issue(step, { authorityId });
    const { old } = await replace();
    const kept = await scene.world.issue(step, { authorityId: activeOf(authorities).authorityId });
    const sequence = authorities.bundleSequence();
    expect(await authorities.taint(authorityId, withdraw)).toMatchObject({
      authority: { authorityId, state: "old", tainted: true },
      credentialsRevoked: 1,
    });
    expect(isShown(old)).toBe(false);
    expect(authorities.bundleSequence()).toBeGreaterThan(sequence);
    expect(scene.signer.holds(authorityId)).toBe(true);
    const rows = await scene.world.store.history.issuances({
      state: "revoked",
      now: scene.world.clock.now(),
      limit: 10,
    });
    expect(rows.map(({ jti }) => jti)).toEqual([record.jti]);
    expect(rows.map(({ jti }) => jti)).not.toContain(kept.jti);
    expect(await ordersOnRecord()).toContainEqual(
      expect.objectContaining({ act: "authority-taint", target: authorityId, reason: "cACompromise", by: OPERATOR }),
    );

    await scene.pass(2 * 3_600);
    expect(authorities.byId(authorityId)?.state).toBe("removed");
    expect(scene.signer.holds(authorityId)).toBe(false);
  });

  test("is refused of the one that signs: another has to, first", async () => {
    const { authorityId } = activeOf(authorities);
    await expect(authorities.taint(authorityId, withdraw)).rejects.toMatchObject(refused(/old; it is active/));
  });

  test("done again changes nothing", async () => {
    const { old } = await replace();
    await authorities.taint(old.authorityId, withdraw);
    const { sequence } = scene.world.ledger.head();
    expect(await authorities.taint(old.authorityId, withdraw)).toMatchObject({ credentialsRevoked: 0 });
    expect(scene.world.ledger.head().sequence).toBe(sequence);
  });

  test("survives a restart", async () => {
    const { old } = await replace();
    await authorities.taint(old.authorityId, withdraw);
    authorities = await scene.start();
    expect(authorities.byId(old.authorityId)).toMatchObject({ state: "old", tainted: true });
    expect(isShown(old)).toBe(false);
  });
});

describe("revoke", () => {
  test("takes back what an old key signed, takes it out of the bundle and destroys it", async () => {
    const { authorityId } = activeOf(authorities);
    const step = await scene.world.open(await scene.world.agent());
    await scene.world.issue(step, { authorityId });
    const { old } = await replace();
    expect(await authorities.revoke(authorityId, withdraw)).toMatchObject({
      authority: { authorityId, state: "removed", tainted: true },
      credentialsRevoked: 1,
    });
    expect(isShown(old)).toBe(false);
    expect(scene.signer.holds(authorityId)).toBe(false);
    expect((await ordersOnRecord()).at(-1)).toMatchObject({ act: "authority-revoke", target: authorityId });
  });

  test("of a prepared key lets another be prepared", async () => {
    const { authorityId } = await authorities.prepare("jwt-svid", OPERATOR);
    await authorities.revoke(authorityId, withdraw);
    expect(scene.signer.holds(authorityId)).toBe(false);
    await authorities.prepare("jwt-svid", OPERATOR);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active", "prepared"]);
  });

  test("is refused of the one that signs, and of one that is gone", async () => {
    const { authorityId } = activeOf(authorities);
    await expect(authorities.revoke(authorityId, withdraw)).rejects.toMatchObject(refused(/it is active/));
    const { old } = await replace();
    await authorities.revoke(old.authorityId, withdraw);
    await expect(authorities.revoke(old.authorityId, withdraw)).rejects.toMatchObject(refused(/it is removed/));
  });

  test("of a tainted key takes back nothing twice", async () => {
    const { authorityId } = activeOf(authorities);
    const step = await scene.world.open(await scene.world.agent());
    await scene.world.issue(step, { authorityId });
    await replace();
    expect(await authorities.taint(authorityId, withdraw)).toMatchObject({ credentialsRevoked: 1 });
    expect(await authorities.revoke(authorityId, withdraw)).toMatchObject({ credentialsRevoked: 0 });
  });
});

test.for(["prepare", "activate", "taint", "revoke"] as const)("%s that can't be recorded is not done", async (verb) => {
  const { old } = await replace();
  const prepared = verb === "activate" ? await authorities.prepare("jwt-svid", OPERATOR) : undefined;
  const before = authorities.history();
  const held = scene.signer.held("jwt-svid");
  scene.onAct(() => {
    throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
  });
  const order = {
    prepare: () => authorities.prepare("jwt-svid", OPERATOR),
    activate: () => authorities.activate(present(prepared).authorityId, { haste: "at-once", by: OPERATOR }),
    taint: () => authorities.taint(old.authorityId, withdraw),
    revoke: () => authorities.revoke(old.authorityId, withdraw),
  }[verb];
  await expect(order()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(authorities.history()).toEqual(before);
  expect(scene.signer.held("jwt-svid")).toEqual(held);
});

test("what is prepared lives from then on for as long as was configured", async () => {
  await scene.pass(3_600);
  const { expiresAt } = await authorities.prepare("x509-svid", OPERATOR);
  expect(expiresAt).toBe(secondsOf(scene.world.clock.now()) + LIFETIME_SECONDS);
});
