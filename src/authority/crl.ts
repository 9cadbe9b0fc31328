import { type EncodedCrlEntry, encodeCrlEntry } from "../domain/crl.ts";
import { LIMITS } from "../domain/limits.ts";
import { addSeconds, secondsOf, type UnixMicros, type UnixSeconds } from "../domain/time.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Head } from "../ports/ledger.ts";
import type { DenyEntry } from "../ports/ledger-reads.ts";
import type { Signer } from "../ports/signer.ts";

/** A CRL as it was signed. */
export type Crl = {
  /** The X.509 authority whose X.509-SVIDs the CRL is about. */
  readonly authorityId: string;
  readonly der: Uint8Array;
  readonly nextUpdate: UnixSeconds;
};

export type CrlKeeper = {
  /** The CRLs in force, one for each X.509 authority of the bundle. A CRL that has expired is left out. */
  current(): readonly Crl[];
  /** Calls after each publication; ends with the returned function. */
  onChange(changed: () => void): Cancel;
  stop(): void;
};

export type CrlPorts = {
  readonly ledger: { head(): Pick<Head, "sequence"> };
  readonly credentials: Pick<CredentialReads, "revokedX509Svids">;
  readonly authorities: Pick<AuthorityDirectory, "all">;
  readonly signer: Pick<Signer, "holds" | "signCrl">;
  readonly clock: Clock;
  /** Calls with the deny entries of each event from here on. */
  readonly onDenied: (listener: (entries: readonly DenyEntry[]) => void) => Cancel;
  /** Calls when the set of authorities changed. */
  readonly onAuthoritiesChange: (listener: () => void) => Cancel;
  /** Whether the ledger is suspected of having gone back in time. */
  readonly ledgerIsDoubted: () => boolean;
  readonly failed: (error: unknown) => void;
};

/** Revocations within this time are in one CRL: each is out within a second, and a burst of them costs two CRLs. */
const BURST_MS = 250;
/** A verifier that fetches once a minute finds a new CRL each time. */
const REGULAR_MS = 50_000;
/** The wait after a publication that failed, or could not be made. */
const RETRY_MS = 1_000;
/** Verifiers refuse everything by an expired CRL: a CRL outlasts a restart, and an operator who is awake. */
const LIFE_SECONDS = 600;
/** An expired X.509-SVID stays on one more regular CRL, RFC 5280 section 3.3; and a publication may be late. */
const KEPT_SECONDS = 120;

/**
 * Keeps a CRL current for each X.509 authority: it is published anew within a second of a revocation or of a change of
 * authorities, and otherwise each minute. Every CRL is made from the ledger alone; nothing is carried over.
 *
 * While the ledger is suspected of having gone back in time nothing is published: a CRL would pardon what the ledger
 * has forgotten.
 *
 * @returns once the first CRLs are published, or could not be
 */
export async function keepCrls(ports: CrlPorts): Promise<CrlKeeper> {
  const { clock } = ports;
  const publish = createPublisher(ports);
  const { onChange, tell } = createListeners(ports.failed);
  let current: readonly Crl[] = [];
  let cancel: Cancel = () => undefined;
  let state: "idle" | "due" | "publishing" | "stopped" = "idle";
  let isOutdated = false;

  function schedule(delayMs: number): void {
    cancel();
    cancel = clock.schedule(delayMs, () => void turn());
  }

  async function turn(): Promise<void> {
    state = "publishing";
    isOutdated = false;
    let nextMs = RETRY_MS;
    try {
      if (!ports.ledgerIsDoubted()) {
        current = await publish();
        tell();
        nextMs = REGULAR_MS;
      }
    } catch (thrown) {
      ports.failed(thrown);
    }
    if (isStopped()) return;
    state = isOutdated ? "due" : "idle";
    schedule(isOutdated ? BURST_MS : nextMs);
  }

  /** Called rather than compared in place: `stop` may have been called while something was waited for. */
  function isStopped(): boolean {
    return state === "stopped";
  }

  function outdated(): void {
    if (state === "publishing") isOutdated = true;
    if (state !== "idle") return;
    state = "due";
    schedule(BURST_MS);
  }

  const unsubscribe = [
    // A CRL tells nothing of a step that held tokens alone.
    ports.onDenied((entries) => void (entries.some((entry) => entry.concernsAll) && outdated())),
    ports.onAuthoritiesChange(outdated),
  ];
  await turn();

  return {
    current: () => current.filter(({ nextUpdate }) => nextUpdate > secondsOf(clock.now())),
    onChange,
    stop() {
      state = "stopped";
      cancel();
      for (const end of unsubscribe) end();
    },
  };
}

function createPublisher(ports: CrlPorts): () => Promise<readonly Crl[]> {
  const { clock, signer } = ports;
  // A CRL from before the start may still be in force, so the first CRL also lists what has expired within a CRL's
  // life.
  let keptSeconds = LIFE_SECONDS;
  let lastNumber = 0n;

  return async () => {
    const now = clock.now();
    const nowSeconds = secondsOf(now);
    const crlNumber = numberAfter(lastNumber, ports.ledger.head().sequence, now);
    lastNumber = crlNumber;
    const entries = await revokedSince(addSeconds(nowSeconds, -keptSeconds), ports.credentials);
    const nextUpdate = addSeconds(nowSeconds, LIFE_SECONDS);
    const crls: Crl[] = [];
    for (const authority of ports.authorities.all()) {
      const { authorityId, family } = authority;
      if (family !== "x509-svid" || !signer.holds(authorityId)) continue;
      const der = await signer.signCrl(authority, {
        // A verifier whose clock is behind would refuse a CRL of the future, and so refuse everybody.
        thisUpdate: addSeconds(nowSeconds, -LIMITS.x509BackdateSeconds),
        nextUpdate,
        crlNumber,
        entries: [...(entries.get(authorityId)?.values() ?? [])],
      });
      crls.push({ authorityId, der, nextUpdate });
    }
    keptSeconds = KEPT_SECONDS;
    return crls;
  };
}

/**
 * A number that grows with every CRL, over restarts too, without being kept anywhere. Its high part is the ledger's
 * sequence, which never goes back in the life of a CA key; its low part is the time, since a CRL is made each minute
 * even when nothing was recorded. By the time alone the number would go back when a clock is set right between two
 * starts.
 */
function numberAfter(last: bigint, sequence: number, now: UnixMicros): bigint {
  const number = (BigInt(sequence) << 64n) | BigInt(now);
  return number > last ? number : last + 1n;
}

/** The X.509-SVIDs that were taken back, by authority and serial number. */
async function revokedSince(
  expiringAfter: UnixSeconds,
  reads: CrlPorts["credentials"],
): Promise<ReadonlyMap<string, ReadonlyMap<string, EncodedCrlEntry>>> {
  const found = new Map<string, Map<string, EncodedCrlEntry>>();
  for await (const part of reads.revokedX509Svids(expiringAfter)) {
    for (const { authorityId, serialNumber, revokedAt, reason } of part) {
      const entries = found.get(authorityId) ?? new Map<string, EncodedCrlEntry>();
      const entry = encodeCrlEntry({ serialNumber, revokedAt: secondsOf(revokedAt), reason });
      found.set(authorityId, entries.set(serialNumber, entry));
    }
    await nextTurn();
  }
  return found;
}

/** Lets the event loop go round: whoever waits for a credential does not wait for a CRL. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
