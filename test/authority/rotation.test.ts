import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Authorities } from "../../src/authority/authorities.ts";
import { SIGNING_FAMILIES } from "../../src/authority/lifecycle.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { secondsOf } from "../../src/domain/time.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
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
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene.close());

const HALF_SECONDS = LIFETIME_SECONDS / 2;
/** A look a minute: what is due is done by then. */
const LOOK_SECONDS = 60;
/** Authorities of a life in which there are few looks. */
const ONE_DAY = { "x509-svid": 86_400, "jwt-svid": 86_400, "wit-svid": 86_400, "txn-token": 86_400 };
/** The longest life of a credential, and how long after it a verifier may still take it. */
const OLD_SECONDS = LIMITS.svidTtlSecondsMax + LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;
const idsOf = (authorities: Authorities) => authorities.all().map(({ authorityId }) => authorityId);

describe("by schedule", () => {
  test("a key is prepared at half of the life of the one that signs, and does not sign yet", async () => {
    const authorities = await scene.start();
    const first = activeOf(authorities);
    await scene.pass(HALF_SECONDS - LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active"]);
    await scene.pass(2 * LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active", "prepared"]);
    expect(activeOf(authorities)).toEqual(first);
    expect(idsOf(authorities)).toContain(inState(authorities, "prepared").authorityId);
  });

  test("it signs once it has been published for the propagation time, and the one before is old", async () => {
    const authorities = await scene.start();
    const first = activeOf(authorities);
    await scene.pass(HALF_SECONDS);
    const next = inState(authorities, "prepared");
    await scene.pass(PROPAGATION_SECONDS - LOOK_SECONDS);
    expect(activeOf(authorities)).toEqual(first);
    await scene.pass(2 * LOOK_SECONDS);
    expect(activeOf(authorities).authorityId).toBe(next.authorityId);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["old", "active"]);
    expect(idsOf(authorities)).toContain(first.authorityId);
  });

  test("an old key stays published until nothing that it signed can be accepted, and is then destroyed", async () => {
    const authorities = await scene.start();
    const { authorityId } = activeOf(authorities);
    await scene.pass(HALF_SECONDS);
    await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
    const since = inState(authorities, "old").stateSince ?? 0;
    await scene.pass(since + OLD_SECONDS - secondsOf(scene.world.clock.now()) - 1);
    expect(idsOf(authorities)).toContain(authorityId);
    expect(scene.signer.holds(authorityId)).toBe(true);
    await scene.pass(LOOK_SECONDS + 1);
    expect(idsOf(authorities)).not.toContain(authorityId);
    expect(scene.signer.holds(authorityId)).toBe(false);
    expect(authorities.byId(authorityId)?.state).toBe("removed");
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active"]);
  });

  test("every family has always one that signs, over years of rotations", async () => {
    const authorities = await scene.start();
    const seen = new Set<string>();
    for (let day = 0; day < 120; day += 1) {
      await scene.pass(86_400);
      // A look does one family after the other; a day has many.
      await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
      for (const family of SIGNING_FAMILIES) {
        const { authorityId, expiresAt } = activeOf(authorities, family);
        seen.add(authorityId);
        expect(expiresAt - secondsOf(scene.world.clock.now())).toBeGreaterThan(LIMITS.svidTtlSecondsMax);
        expect(statesOf(authorities, family).length).toBeLessThanOrEqual(3);
      }
    }
    expect(seen.size).toBeGreaterThan(SIGNING_FAMILIES.length * 6);
    expect(scene.failures).toEqual([]);
  });

  test("a life too short for the share is rotated early enough that no credential is cut short", async () => {
    const lifetimeSeconds = ONE_DAY;
    const rotation = { prepareShare: 0.999, propagationSeconds: 4 * 3_600 };
    const authorities = await scene.start({ lifetimeSeconds, rotation });
    for (let minute = 0; minute < 2 * 24 * 60; minute += 15) {
      await scene.pass(15 * 60);
      const left = activeOf(authorities).expiresAt - secondsOf(scene.world.clock.now());
      expect(left).toBeGreaterThanOrEqual(LIMITS.svidTtlSecondsMax - 15 * 60 - LOOK_SECONDS);
    }
  });

  test("nothing is rotated while nothing may be issued, and it is made up for after", async () => {
    const suspensions = createSuspensions(scene.world.clock);
    const authorities = await scene.start({ gate: suspensions });
    suspensions.suspend("clock", "the clock can't be believed");
    await scene.pass(HALF_SECONDS + LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active"]);
    suspensions.lift("clock");
    await scene.pass(LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active", "prepared"]);
  });

  test("what fails is tried again a minute later, and told", async () => {
    const authorities = await scene.start({ lifetimeSeconds: ONE_DAY });
    scene.onAct(() => {
      throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
    });
    await scene.pass(ONE_DAY["jwt-svid"] / 2 + LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active"]);
    expect(scene.failures[0]).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    // A key whose row could not be written is not kept.
    expect(scene.signer.held("x509-svid")).toHaveLength(1);
    scene.onAct(() => undefined);
    await scene.pass(LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active", "prepared"]);
  });

  test("after it was stopped nothing changes any more", async () => {
    const authorities = await scene.start();
    authorities.stop();
    expect(scene.world.clock.pending()).toBe(0);
    await scene.pass(HALF_SECONDS + LOOK_SECONDS);
    expect(statesOf(authorities, "jwt-svid")).toEqual(["active"]);
  });
});

test("nothing takes effect before its row is durable", async () => {
  const authorities = await scene.start();
  const changes: string[] = [];
  scene.onAct((act: LedgerAct) => {
    if (act.act !== "put-authorities") return;
    for (const { authorityId, state } of act.authorities) {
      changes.push(state);
      expect(authorities.byId(authorityId)?.state).not.toBe(state);
      if (state === "removed") expect(scene.signer.holds(authorityId)).toBe(true);
    }
  });
  await scene.pass(HALF_SECONDS);
  await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
  await scene.pass(OLD_SECONDS + LOOK_SECONDS);
  const each = (state: string) => changes.filter((one) => one === state).length;
  expect(["prepared", "active", "old", "removed"].map(each)).toEqual([4, 4, 4, 4]);
});

describe("a restart", () => {
  /** Everything that can be seen of one from outside. */
  const facesOf = (authorities: Authorities) => ({
    published: authorities.all(),
    active: SIGNING_FAMILIES.map((family) => authorities.active(family)),
    held: SIGNING_FAMILIES.flatMap((family) => scene.signer.held(family)).toSorted(),
  });

  test.for([
    { name: "with a key prepared", seconds: [HALF_SECONDS] },
    { name: "with an old one", seconds: [HALF_SECONDS, PROPAGATION_SECONDS + LOOK_SECONDS] },
    {
      name: "with one removed",
      seconds: [HALF_SECONDS, PROPAGATION_SECONDS + LOOK_SECONDS, OLD_SECONDS + LOOK_SECONDS],
    },
  ])("$name finds everything as it was, and goes on when it is time", async ({ seconds }) => {
    const first = await scene.start();
    for (const each of seconds) await scene.pass(each);
    const before = facesOf(first);
    const { sequence } = scene.world.ledger.head();
    const second = await scene.start();
    expect(facesOf(second)).toEqual(before);
    expect(scene.world.ledger.head().sequence).toBe(sequence);

    await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
    await scene.pass(OLD_SECONDS + LOOK_SECONDS);
    expect(statesOf(second, "jwt-svid")).toEqual(["active"]);
  });

  test("long after everything was due catches up at once", async () => {
    const first = await scene.start();
    await scene.pass(HALF_SECONDS);
    const prepared = inState(first, "prepared");
    first.stop();
    await scene.pass(HALF_SECONDS + 60);
    const second = await scene.start();
    expect(activeOf(second).authorityId).toBe(prepared.authorityId);
    // Its own half is over by then too; of the one before nothing can be accepted any longer.
    expect(statesOf(second, "jwt-svid")).toEqual(["active", "prepared"]);
  });

  test("after a crash between a removal's row and its key destroys the key", async () => {
    const destroy = () => Promise.reject(new Error("the machine stopped"));
    const first = await scene.start({ signer: { ...scene.signer, destroy } });
    const { authorityId } = activeOf(first);
    await scene.pass(HALF_SECONDS);
    await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
    await scene.pass(OLD_SECONDS + LOOK_SECONDS);
    expect(first.byId(authorityId)?.state).toBe("removed");
    expect(scene.signer.holds(authorityId)).toBe(true);
    await scene.start();
    expect(scene.signer.holds(authorityId)).toBe(false);
  });

  test("after a crash between a new key and its row destroys the key that nobody knows of", async () => {
    const first = await scene.start();
    const validity = { notBefore: activeOf(first).notBefore, expiresAt: activeOf(first).expiresAt };
    const orphan = await scene.signer.create("jwt-svid", validity);
    const other = await scene.signer.create("ledger", validity);
    const second = await scene.start();
    expect(scene.signer.holds(orphan.authorityId)).toBe(false);
    expect(scene.signer.holds(activeOf(second).authorityId)).toBe(true);
    // Keys for anything else are not these authorities' business.
    expect(scene.signer.holds(other.authorityId)).toBe(true);
  });

  test("on a ledger that went back in time destroys no key: the right ledger may come back", async () => {
    const suspensions = createSuspensions(scene.world.clock);
    suspensions.suspend("rollback", "the ledger went back in time");
    const first = await scene.start({ gate: suspensions });
    const validity = { notBefore: activeOf(first).notBefore, expiresAt: activeOf(first).expiresAt };
    const unknown = await scene.signer.create("jwt-svid", validity);
    await scene.start({ gate: suspensions });
    expect(scene.signer.holds(unknown.authorityId)).toBe(true);
  });

  test("with two that are active lets the newest sign, and makes the other old when the next one comes", async () => {
    const first = await scene.start();
    const before = activeOf(first);
    scene.world.clock.advance(1_000);
    const made = await scene.signer.create("jwt-svid", {
      notBefore: secondsOf(scene.world.clock.now()),
      expiresAt: before.expiresAt,
    });
    await scene.world.ledger.perform({ act: "put-authorities", authorities: [made], now: scene.world.clock.now() });
    const second = await scene.start();
    expect(activeOf(second).authorityId).toBe(made.authorityId);
    await scene.pass(HALF_SECONDS + LOOK_SECONDS);
    await scene.pass(PROPAGATION_SECONDS + LOOK_SECONDS);
    expect(statesOf(second, "jwt-svid")).toEqual(["old", "old", "active"]);
  });

  test("whose prepared key is lost prepares another", async () => {
    const first = await scene.start();
    await scene.pass(HALF_SECONDS);
    const lost = inState(first, "prepared");
    await scene.signer.destroy(lost.authorityId);
    const second = await scene.start();
    expect(second.byId(lost.authorityId)?.state).toBe("removed");
    expect(statesOf(second, "jwt-svid")).toEqual(["active", "prepared"]);
  });

  test("whose signing key is lost lets the prepared one sign, published for long enough or not", async () => {
    const first = await scene.start();
    await scene.pass(HALF_SECONDS);
    const prepared = inState(first, "prepared");
    await scene.signer.destroy(activeOf(first).authorityId);
    const second = await scene.start();
    expect(activeOf(second).authorityId).toBe(prepared.authorityId);
  });
});
