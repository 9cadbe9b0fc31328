import { sha256Hex } from "../../domain/digest.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Randomness } from "../../ports/randomness.ts";

/** What is kept under a secret. */
export type Kept<Value> = { readonly id: string; readonly value: Value; readonly expiresAt: UnixSeconds };

/** Values that whoever has their secrets gets at, for a while. Secrets are given out once, and kept as digests alone. */
export type KeptSecrets<Value> = {
  add(value: Value): { readonly secret: string; readonly expiresAt: UnixSeconds };
  find(by: { readonly secret: string } | { readonly id: string }): Kept<Value> | undefined;
  /** What was kept, which is kept no longer. */
  take(secret: string): Value | undefined;
  delete(id: string): void;
};

const SECRET_BYTES = 32;
/** Operators are few: more than these are somebody's mistake or malice, and the oldest make room. */
const KEPT_MAX = 1_000;

/** @param keep.seconds - for how long a value is kept. */
export function createKeptSecrets<Value>({
  clock,
  random,
  seconds,
}: {
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
  readonly seconds: number;
}): KeptSecrets<Value> {
  const kept = new Map<string, Kept<Value>>();
  const now = () => secondsOf(clock.now());

  function makeRoom(): void {
    for (const [id, { expiresAt }] of kept) if (expiresAt <= now()) kept.delete(id);
    const [oldest] = kept.keys();
    if (kept.size >= KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  }

  function find(by: { readonly secret: string } | { readonly id: string }): Kept<Value> | undefined {
    // Looked up by its digest, a secret can't be found out by how long a comparison takes.
    const found = kept.get("id" in by ? by.id : sha256Hex(by.secret));
    return found !== undefined && now() < found.expiresAt ? found : undefined;
  }

  return {
    add(value) {
      makeRoom();
      const secret = Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url");
      const [id, expiresAt] = [sha256Hex(secret), addSeconds(now(), seconds)];
      kept.set(id, { id, value, expiresAt });
      return { secret, expiresAt };
    },
    find,
    take(secret) {
      const found = find({ secret });
      if (found !== undefined) kept.delete(found.id);
      return found?.value;
    },
    delete: (id) => void kept.delete(id),
  };
}
