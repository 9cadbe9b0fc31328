import { sha256Hex } from "../../domain/digest.ts";
import type { SpiffeId } from "../../domain/spiffe-id.ts";
import type { TokenStatus } from "../../domain/status-list.ts";

declare const key: unique symbol;

/** What a denial can name, as one text. */
export type DenyKey = string & { readonly [key]: "deny" };

export function stepKey(stepId: string): DenyKey {
  return `step:${stepId}` as DenyKey;
}

/** @param sha256 - hexadecimal, lower case. */
export function spiffeIdHashKey(sha256: string): DenyKey {
  return `spiffe-id:${sha256}` as DenyKey;
}

export function spiffeIdKey(spiffeId: SpiffeId): DenyKey {
  return spiffeIdHashKey(sha256Hex(spiffeId));
}

/** The length keeps apart what two texts side by side would run together. */
export function jwtKey(issuer: string, jti: string): DenyKey {
  return `jwt:${issuer.length}:${issuer}:${jti}` as DenyKey;
}

/** A place in a status list. */
export function statusKey({ list, index }: TokenStatus): DenyKey {
  return `status:${list}:${index}` as DenyKey;
}

/**
 * @param issuer - DER of the issuer's name.
 * @param serialNumber - hexadecimal, lower case.
 */
export function certificateKey(issuer: Uint8Array, serialNumber: string): DenyKey {
  return `certificate:${Buffer.from(issuer).toString("hex")}:${serialNumber}` as DenyKey;
}

/** One denial as the feed gave it. */
export type DenyListEntry = {
  /** One for a credential, two for a step: its id, and the hash of its SPIFFE ID. */
  readonly keys: readonly DenyKey[];
  /** RFC 5280 reason name. */
  readonly reason: string;
  /** In which the step ended; `undefined` where a credential alone was revoked. */
  readonly state: string | undefined;
  readonly sequence: bigint;
  /** Unix milliseconds; infinite for "never". */
  readonly forgetAfterMs: number;
};

export type DenyList = {
  /**
   * A denial that is there already changes nothing but when it may be forgotten: the later of both.
   *
   * @returns the keys that were not denied before.
   */
  add(entries: readonly DenyListEntry[]): readonly DenyKey[];
  /** The first denial of any of these. */
  find(keys: readonly DenyKey[]): DenyListEntry | undefined;
  /** Drops what may be forgotten at `nowMs`; nothing else is ever dropped, since nothing denied is permitted again. */
  forget(nowMs: number): void;
  readonly size: number;
};

/** What a verifier refuses although its signature holds and its time is not over. */
export function createDenyList(): DenyList {
  const byKey = new Map<DenyKey, DenyListEntry>();

  return {
    add(entries) {
      const added: DenyKey[] = [];
      for (const entry of entries) {
        for (const one of entry.keys) {
          const known = byKey.get(one);
          if (known === undefined) added.push(one);
          byKey.set(one, known === undefined ? entry : merged(known, entry));
        }
      }
      return added;
    },
    find(keys) {
      for (const one of keys) {
        const entry = byKey.get(one);
        if (entry !== undefined) return entry;
      }
      return undefined;
    },
    forget(nowMs) {
      for (const [one, entry] of byKey) {
        if (entry.forgetAfterMs <= nowMs) byKey.delete(one);
      }
    },
    get size() {
      return byKey.size;
    },
  };
}

/** The earlier tells why, the later how long; the same in whichever order they came. */
function merged(a: DenyListEntry, b: DenyListEntry): DenyListEntry {
  const [first, second] = isBefore(b, a) ? [b, a] : [a, b];
  return second.forgetAfterMs > first.forgetAfterMs ? { ...first, forgetAfterMs: second.forgetAfterMs } : first;
}

function isBefore(a: DenyListEntry, b: DenyListEntry): boolean {
  if (a.sequence !== b.sequence) return a.sequence < b.sequence;
  return `${a.reason} ${a.state}` < `${b.reason} ${b.state}`;
}
