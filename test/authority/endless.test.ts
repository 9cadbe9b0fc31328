import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Authority } from "../../src/domain/authority.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import type { UpstreamAuthority } from "../../src/ports/upstream-authority.ts";
import { openScene, type Scene } from "./authority-scene.ts";

// Goal: no authority is made that could not sign, and the one look a minute never makes more than one of a family.

const HOUR = 3_600;

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
  onTestFinished(scene.close);
});

function endingAt(
  expiresAt: UnixSeconds,
  certify: UpstreamAuthority["certify"] = async (made) => made,
): UpstreamAuthority {
  return { expiresAt, certify };
}

async function putCount(): Promise<number> {
  return (await scene.world.store.history.events({ type: "authority.put", limit: 1_000 })).length;
}

/** Minute by minute, as rotation looks. */
async function passMinutes(count: number): Promise<void> {
  for (let minute = 0; minute < count; minute += 1) await scene.pass(60);
}

describe("an upstream that ends while the broker runs", () => {
  let end: UnixSeconds;
  beforeEach(() => {
    end = addSeconds(secondsOf(scene.world.clock.now()), 3 * HOUR);
  });

  test("is not followed by authorities that end with it, and readiness and the log say so once", async () => {
    const authorities = await scene.start({ upstream: () => endingAt(end) });
    expect(authorities.troubles()).toEqual([]);
    const before = await putCount();
    await passMinutes(3 * 60 + 10);
    expect(await putCount()).toBe(before);
    expect(authorities.active("x509-svid")).toBeUndefined();
    expect(authorities.troubles()).toEqual([expect.stringContaining("the upstream authority has ended")]);
    expect(scene.failures.map(String)).toEqual([expect.stringContaining("the upstream authority has ended")]);
  });

  test("keeps no order of an operator waiting: each is answered, those for X.509 with what is the matter", async () => {
    const authorities = await scene.start({ upstream: () => endingAt(end) });
    await passMinutes(3 * 60 + 10);
    const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
    expect(await authorities.prepare("jwt-svid", by)).toMatchObject({ family: "jwt-svid", state: "prepared" });
    await expect(authorities.prepare("x509-svid", by)).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
  });

  test("is told of at the start of a broker that finds it so; all else is there", async () => {
    scene.world.clock.advance(4 * HOUR * 1_000);
    const authorities = await scene.start({ upstream: () => endingAt(end) });
    expect(authorities.active("x509-svid")).toBeUndefined();
    expect(authorities.active("jwt-svid")).toBeDefined();
    expect(authorities.troubles()).toHaveLength(1);
  });
});

test("an upstream that certifies for a past time is asked once a look, not without end", async () => {
  const shortened = async (made: Authority): Promise<Authority> => ({ ...made, expiresAt: made.notBefore });
  const upstream = endingAt(addSeconds(secondsOf(scene.world.clock.now()), 9_000 * HOUR), shortened);
  await expect(scene.start({ upstream: () => upstream })).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
  expect(await putCount()).toBe(1);
});

test("a signer that loses what it makes is asked once, not without end", async () => {
  const signer = { ...scene.signer, holds: () => false };
  await expect(scene.start({ signer })).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
  // Made, and put away as lost.
  expect(await putCount()).toBe(2);
});

test("a listener that throws when a new authority is told of does not cost its key", async () => {
  const authorities = await scene.start();
  authorities.onChange(() => {
    throw new Error("could not take the new bundle");
  });
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const prepared = await authorities.prepare("jwt-svid", by);
  expect(scene.signer.holds(prepared.authorityId)).toBe(true);
  expect(scene.failures.splice(0).map(String)).toEqual([expect.stringContaining("could not take the new bundle")]);
});
