import { createMetrics, type Metrics, type Sample } from "../adapters/metrics-prom/metrics-prom.ts";
import { isGroup } from "../domain/node-machine.ts";
import { groupOf, type NodeName } from "../domain/node-name.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Core } from "./core.ts";
import { UPSTREAM_SETTING } from "./open-signer.ts";

/** Verifiers that are shown by name. Whoever has more watches the largest lag. */
const VERIFIERS_SHOWN_MAX = 100;

/** The metrics of a running broker. */
export function metricsOf(core: Core): Metrics {
  const { authorities, counts, entries, files, openSteps, reassessment, receipts, readiness, store, upstream } = core;
  return createMetrics({
    ledgerSequence: () => store.ledger.head().sequence,
    ledgerCommits: store.commits,
    watchers: () => receipts.listening().length,
    denialsInForce: () => core.denyList.list()?.denials.length,
    nodes: () =>
      entries.following.refusal() === undefined
        ? entries.all().filter((entry) => isOfKind(entry, "node") && !entry.disabled && !isGroup(entry)).length
        : undefined,
    nodesAttended: () => nodesAttended(core, (node) => groupOf(node) === undefined),
    groupMachinesAttended: () => nodesAttended(core, (node) => groupOf(node) !== undefined),
    replicas: () => store.replicas?.all().length,
    replicasThere: () => store.replicas?.all().filter(({ isAlive }) => isAlive).length,
    standbys: () => core.standbys.all().length,
    isReady: () => readiness().ready,
    openSteps,
    waitingSteps: reassessment.waiting,
    judged: () => samples(counts.judged, "outcome"),
    risks: () => riskSamples(reassessment.risks()),
    issued: () => samples(counts.issued, "kind"),
    revoked: counts.revoked,
    callsAllowed: counts.callsAllowed,
    closed: () => samples(counts.closed, "state"),
    denied: () =>
      [...counts.denied].map(([of, count]): Sample => {
        const [act = "", reason = ""] = of.split(" ");
        return [{ act, reason }, count];
      }),
    exchanges: () => samples(counts.exchanges, "outcome"),
    exchangesStanding: () => samples(core.exchanges.endings.counts(), "standing"),
    retentionRounds: () => samples(core.retention.counts().rounds, "outcome"),
    prunedEvents: () => core.retention.counts().prunedEvents,
    verifierLag: () => verifierLags({ store, receipts, entries }),
    authorityExpiry: () =>
      authorities.following.refusal() === undefined
        ? authorities
            .all()
            .map(({ authorityId, family, state, expiresAt }) => [
              { authority_id: authorityId, family, state },
              expiresAt,
            ])
        : [],
    upstreamExpiry: () => upstream?.current().expiresAt,
    certificateExpiry: () =>
      files
        .certificates()
        // Its expiry is a metric of its own.
        .filter(({ setting }) => setting !== UPSTREAM_SETTING)
        .map(({ setting, expiresAt }) => [{ certificate: setting.replace(/\.tls$/, "") }, expiresAt]),
    fanOut: () => core.fanOut?.status(),
    diskFreeBytes: () => store.disk()?.freeBytes,
    ledgerBytes: () => store.disk()?.ledgerBytes,
  });
}

function samples(counts: ReadonlyMap<string, number>, label: string): readonly Sample[] {
  return [...counts].map(([value, count]) => [{ [label]: value }, count]);
}

/** By the kinds of scopes: their names are as many as there are runs. */
function riskSamples(risks: ReturnType<Core["reassessment"]["risks"]>): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const [scope, level] of risks) {
    const labels = `${scope.split(":")[0]} ${level}`;
    counts.set(labels, (counts.get(labels) ?? 0) + 1);
  }
  return [...counts].map(([labels, count]): Sample => {
    const [kind = "", level = ""] = labels.split(" ");
    return [{ kind, level }, count];
  });
}

/** Of each verifier that listens, how far the one of its processes is behind that is farthest behind. */
function verifierLags({ store, receipts, entries }: Pick<Core, "store" | "receipts" | "entries">): readonly Sample[] {
  const head = store.ledger.head().sequence;
  const lags = new Map<string, number>();
  for (const { entryId, acknowledged } of receipts.listening()) {
    lags.set(entryId, Math.max(lags.get(entryId) ?? 0, head - acknowledged));
  }
  const names = new Map(entries.all().map(({ entryId, content }) => [entryId, content.name]));
  return [...lags]
    .sort(([, one], [, other]) => other - one)
    .slice(0, VERIFIERS_SHOWN_MAX)
    .map(([entryId, lag]) => [{ verifier: names.get(entryId) ?? entryId }, lag]);
}

/** Here, or at another broker that shares the ledger. */
function nodesAttended({ machines, store }: Core, isCounted: (node: NodeName) => boolean): number {
  const elsewhere = store.replicas?.all().filter(({ isAlive }) => isAlive) ?? [];
  const all = new Set([...machines.nodes.attended(), ...elsewhere.flatMap(({ report }) => report.nodes)]);
  return [...all].filter(isCounted).length;
}
