import { LIMITS } from "../../src/domain/limits.ts";
import { COST_VALUES } from "./costs.ts";
import { figure, percent } from "./figures.ts";
import { INTERNET } from "./load.ts";
import { type BoundName, bounds, UTILISATION_MAX } from "./model.ts";

/** The longest life of a token that an entry may say. */
const HOUR = { ...INTERNET, ttlSeconds: LIMITS.svidTtlSecondsMax };

/** A bound in words: what is so once it is reached, what an operator sees of it, and what helps. */
type Said = { readonly what: string; readonly shows: string; readonly remedy: string };

export const SAID: Readonly<Record<BoundName, Said>> = {
  eventLoop: {
    what: `the broker's event loop is busy for ${percent(UTILISATION_MAX)} of the time`,
    shows: "`nodejs_eventloop_lag_p99_seconds`, `StintEventLoopStalls`, `StintSlow`",
    remedy: "[another trust domain](#what-divides-it); `workers` for what is issued to open steps; longer-lived tokens",
  },
  heldAgain: {
    what: `after a restart, not all of its held steps are held again within the ${LIMITS.holdGraceAfterRestartMs / 1_000} s that they have: the rest is ABANDONED`,
    shows: '`stint_open_steps` next to the bound; `stint_steps_closed_total{state="ABANDONED"}` after a restart',
    remedy: "fewer open steps for a broker; shorter steps; steps without a hold, by a lease or their expiry",
  },
  ledgerThread: {
    what: `the ledger's thread is busy for ${percent(UTILISATION_MAX)} of the time, its groups full`,
    shows: "`rate(stint_ledger_sequence)` ÷ `rate(stint_ledger_commits_total)` rises towards 32 and more",
    remedy: "another trust domain; `workers` do not help",
  },
  openMemory: {
    what: "open steps and their streams take half of V8's heap of 4 GiB",
    shows: "`stint_open_steps`, `nodejs_heap_size_used_bytes`",
    remedy: "`NODE_OPTIONS=--max-old-space-size=…`; another trust domain",
  },
  busStream: {
    what: "the stream on NATS begins anew without end, for its deny-list has more than a thousand parts: half of its messages repeat what was told, and ends wait for them",
    shows:
      "`stint_denials_in_force` near a million; `stint_fan_out_sequence` next to `stint_ledger_sequence`, `stint_fan_out_heartbeat_age_seconds`",
    remedy: "shorter-lived tokens; another trust domain",
  },
  verifierCpu: {
    what: "a verifier on NATS spends a tenth of a core on what ended",
    shows: "the verifier's own process",
    remedy: "[status lists](#a-hundred-thousand-verifiers); several trust domains, of which it hears the ones it takes",
  },
  verifierMemory: {
    what: "a verifier on NATS has a deny-list of 512 MiB",
    shows: "`stint_denials_in_force`, which it holds too; the verifier's own process",
    remedy: "shorter-lived tokens; status lists",
  },
  denyMemory: {
    what: "the broker's deny-list takes half of a heap (most of it lies beside the heap)",
    shows: "`stint_denials_in_force`, `nodejs_external_memory_bytes`, `process_resident_memory_bytes`",
    remedy: "shorter-lived tokens",
  },
  mapKeys: {
    what: "a verifier's deny-list has 2²⁴ keys, which is all that a `Map` of V8 takes: the next message throws, and the verifier goes stale",
    shows: "`stint_denials_in_force` near eight million; `status().lastError` of the verifier",
    remedy: `shorter-lived tokens: with tokens of an hour it is reached at ${figure(bounds(HOUR, COST_VALUES).mapKeys)} steps a second`,
  },
};
