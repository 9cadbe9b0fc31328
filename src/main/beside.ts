import { type AuthoritiesPorts, openAuthorities } from "../authority/authorities.ts";
import { keepLifetimes, type LifetimesPorts } from "../close/lifetimes.ts";
import { createNotifier } from "../close/notify.ts";
import { keepReassessing, type ReassessPorts } from "../close/reassess.ts";
import { keepReceiptJournal } from "../close/receipt-journal.ts";
import { createReceiptBook } from "../close/receipts.ts";
import { NOWHERE_ELSE, receiptsElsewhere } from "../close/receipts-elsewhere.ts";
import { keepRecentDenials } from "../close/recent-denials.ts";
import { keepReplicasTold, type ReportPorts } from "../close/report-to-replicas.ts";
import { createRetries } from "../decide/decide-again.ts";
import { createDenialRecorder, type DenialPorts } from "../decide/record-denial.ts";
import { type EndingsPorts, keepEndings } from "../exchange/endings.ts";
import { chargesAmong } from "../follow/charge.ts";
import { keepStepDirectory } from "../follow/step-directory.ts";
import type { StepProcessesPorts } from "../follow/step-processes.ts";
import { keepToolDirectory } from "../follow/tool-directory.ts";
import { createIssuanceRate } from "../issue/issuance-rate.ts";
import { keepPolicyDirectory } from "../policy/policy-directory.ts";
import type { Following } from "../ports/following.ts";
import type { OpenedLedger } from "../ports/ledger.ts";
import type { PolicyEngine } from "../ports/policy-engine.ts";
import { keepEntryDirectory } from "../registry/entry-directory.ts";
import { createRegistry, type RegistryPorts } from "../registry/registry.ts";
import type { Closers } from "./closers.ts";
import { reachedBy } from "./in-force.ts";

export type BesidePorts = Pick<StepProcessesPorts, "kinship"> &
  Pick<LifetimesPorts, "processes" | "clock" | "failed"> &
  Pick<AuthoritiesPorts, "replica" | "signer" | "upstream" | "lifetimeSeconds" | "rotation" | "gate" | "keyMissing"> &
  Pick<RegistryPorts, "trustDomain" | "random" | "apart"> &
  Pick<DenialPorts, "executableSha256"> &
  Pick<ReassessPorts, "principals"> &
  Pick<ReportPorts, "nodes"> & {
    readonly store: OpenedLedger;
    readonly engine: PolicyEngine;
    /** What follows the ledger in other processes. Absent: nothing does. */
    readonly frontEnds?: readonly Pick<Following, "reached">[];
    readonly exchanges: Pick<EndingsPorts, "targets" | "vault" | "delayed">;
  };

/**
 * Everything that is kept beside the ledger and follows it, and what waits for these followers: this is the one place
 * that knows which followers make which answer hold.
 *
 * @param closers - takes what has to be ended, also when this function throws.
 * @throws BrokerError LEDGER_UNAVAILABLE, AUTHORITY_UNAVAILABLE
 */
export async function keepBeside(ports: BesidePorts, closers: Closers) {
  const { store, clock, failed, frontEnds = [] } = ports;
  const { ledger, projections, steps, feed } = store;

  const notifier = createNotifier({ ledger, feed, failed });
  closers.push(() => notifier.close());
  const recentDenials = keepRecentDenials({ notifier, feed });
  closers.push(() => recentDenials.close());
  const entries = await keepEntryDirectory({ ledger, projections, failed });
  const stepDirectory = await keepStepDirectory({ ...ports, ledger, projections, steps });
  const policies = await keepPolicyDirectory({ ...ports, ledger, projections, policies: store.policies });
  const toolDirectory = await keepToolDirectory({ ledger, projections });
  closers.push(
    () => toolDirectory.following.end(),
    () => policies.following.end(),
    () => entries.following.end(),
    () => stepDirectory.following.end(),
  );
  const inDirectory = reachedBy(stepDirectory.following, ...frontEnds);
  const inForce = reachedBy(stepDirectory.following, notifier.following, ...frontEnds);
  const authorities = await openAuthorities({ ...ports, ledger, projections, inForce });
  closers.push(() => authorities.stop());
  const registry = createRegistry({
    ...ports,
    ledger,
    steps: stepDirectory,
    entries,
    inForce: reachedBy(entries.following, stepDirectory.following, notifier.following, ...frontEnds),
  });
  const charges = chargesAmong(store.replicas);
  const lifetimes = await keepLifetimes({ ...ports, ledger, projections, charges });
  closers.push(() => lifetimes.stop());
  const reassessment = await keepReassessing({
    ...ports,
    charges,
    ledger,
    steps,
    stepDirectory,
    policies,
    policiesFollowing: policies.following,
    entries,
    recorded: store.policies,
    inForce,
  });
  closers.push(() => reassessment.stop());
  const endings = await keepEndings({
    ...ports,
    ...ports.exchanges,
    ledger,
    projections,
    charges,
    stepDirectory,
  });
  closers.push(() => endings.stop());
  const { replicas } = store;
  const elsewhere = replicas === undefined ? NOWHERE_ELSE : receiptsElsewhere({ replicas, clock });
  const receipts = createReceiptBook({ entries, clock, elsewhere });
  closers.push(await keepReceiptJournal({ ledger, projections, receipts, notifier, clock, failed }));
  if (replicas !== undefined) closers.push(keepReplicasTold({ ...ports, replicas, receipts, notifier }));
  const isAgent = (name: string) =>
    entries.following.refusal() === undefined && entries.byName("agent", name) !== undefined;
  const denials = createDenialRecorder({ ...ports, ledger, isAgent });
  // Denials that were only counted are on record before the ledger closes.
  closers.push(() => denials.flush());

  return {
    notifier,
    recentDenials,
    entries,
    stepDirectory,
    stepProcesses: stepDirectory,
    inDirectory,
    inForce,
    authorities,
    registry,
    lifetimes,
    reassessment,
    exchanges: { ...ports.exchanges, endings },
    receipts,
    denials,
    policies,
    toolDirectory,
    inToolDirectory: reachedBy(toolDirectory.following),
    retries: createRetries(),
    rate: createIssuanceRate(clock),
  };
}
