import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createKeptSecrets } from "../../../src/api/console/kept-secrets.ts";
import { createSessions } from "../../../src/api/console/sessions.ts";
import { sha256Hex } from "../../../src/domain/digest.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";

// Goal: a secret opens what it was given for, until its time is over, and nothing that is kept is a secret.

const NOW = 1_800_000_000 as UnixSeconds;
const random = { bytes: (count: number) => Uint8Array.from(randomBytes(count)) };
const WHO = { selectors: new Set<never>(), uid: 4_242 };

function kept(seconds: number) {
  const clock = virtualClock(NOW);
  return { clock, secrets: createKeptSecrets<string>({ clock, random, seconds }) };
}

test("a secret is good until its time is over, and not at that instant", () => {
  const { clock, secrets } = kept(60);
  const { secret, expiresAt } = secrets.add("night-shift");
  expect(expiresAt).toBe(NOW + 60);
  clock.advance(59_999);
  expect(secrets.find({ secret })?.value).toBe("night-shift");
  clock.advance(1);
  expect(secrets.find({ secret })).toBeUndefined();
  expect(secrets.take(secret)).toBeUndefined();
});

test("what is taken is taken once", () => {
  const { secrets } = kept(60);
  const { secret } = secrets.add("night-shift");
  expect(secrets.take(secret)).toBe("night-shift");
  expect(secrets.take(secret)).toBeUndefined();
});

test("what is kept is known by the secret's digest, from which nobody gets the secret", () => {
  const { secrets } = kept(60);
  const { secret } = secrets.add("night-shift");
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(secrets.find({ secret })?.id).toBe(sha256Hex(secret));
  expect(secrets.find({ id: secret })).toBeUndefined();
  expect(secrets.find({ id: sha256Hex(secret) })?.value).toBe("night-shift");
});

test("of more than a thousand the oldest make room, and those whose time is over before them", () => {
  const { clock, secrets } = kept(60);
  const lapsed = secrets.add("lapsed");
  clock.advance(30_000);
  const first = secrets.add("first");
  clock.advance(30_000);
  for (let count = 1; count < 1_000; count += 1) secrets.add("one of many");
  expect(secrets.find(first)?.value).toBe("first");
  expect(secrets.find(lapsed)).toBeUndefined();
  secrets.add("one too many");
  expect(secrets.find(first)).toBeUndefined();
});

test("a link is good for a minute, a sign-in under way for ten, and a session for as long as the configuration says", () => {
  const clock = virtualClock(NOW);
  const sessions = createSessions({ clock, random }, 1_800);
  const attempt = {
    state: "s",
    nonce: "n",
    codeVerifier: "v",
    redirectUri: "https://stint.example.org/console/signed-in",
  };
  expect(sessions.links.add(WHO).expiresAt).toBe(NOW + 60);
  expect(sessions.attempts.add(attempt).expiresAt).toBe(NOW + 600);
  expect(sessions.open.add(WHO).expiresAt).toBe(NOW + 1_800);
});
