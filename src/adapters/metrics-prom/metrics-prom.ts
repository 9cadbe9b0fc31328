import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Log, RequestLine } from "../../ports/log.ts";

export type Metrics = {
  readonly registry: Registry;
  /** A log that passes all lines on to the given log, and counts each request. */
  counting(log: Log): Log;
  /** Counts a request that another process of the broker answered. */
  count(request: Pick<RequestLine, "method" | "outcome" | "durationMs">): void;
};

/** From a step of the hot path, a fraction of a millisecond, to a call that waits for receipts. */
const SECONDS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 60];

/** Labels, then the value. Nobody outside can add to the labels: each set is closed or bounded. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** How the telling of the deny-list on a message bus goes. */
type FanOutSample = {
  /** `undefined` while it is not known. */
  readonly sequence: number | undefined;
  readonly heartbeatAgeSeconds: number;
  /** Since the start. */
  readonly failures: number;
};

/** Where the values come from, asked at each scrape. A value that can't be told just now is absent. */
export type MetricsSources = {
  readonly ledgerSequence: () => number;
  readonly ledgerCommits: () => number;
  readonly watchers: () => number;
  readonly denialsInForce: () => number | undefined;
  /** Entries of nodes in force, each of one machine: of a group nobody here knows how many it has. */
  readonly nodes: () => number | undefined;
  readonly nodesAttended: () => number;
  readonly groupMachinesAttended: () => number;
  /** Brokers that share the ledger, in the last week; `undefined`: it is shared with nobody. */
  readonly replicas: () => number | undefined;
  readonly replicasThere: () => number | undefined;
  readonly standbys: () => number;
  readonly isReady: () => boolean;
  readonly openSteps: () => number | undefined;
  /** Open steps that wait to be judged anew. */
  readonly waitingSteps: () => number;
  readonly judged: () => readonly Sample[];
  readonly risks: () => readonly Sample[];
  readonly issued: () => readonly Sample[];
  readonly revoked: () => number;
  readonly callsAllowed: () => number;
  readonly closed: () => readonly Sample[];
  readonly denied: () => readonly Sample[];
  readonly exchanges: () => readonly Sample[];
  /** Secrets of other systems of which something may be alive. */
  readonly exchangesStanding: () => readonly Sample[];
  /** Since the start, as are the events that they pruned. */
  readonly retentionRounds: () => readonly Sample[];
  readonly prunedEvents: () => number;
  readonly verifierLag: () => readonly Sample[];
  readonly authorityExpiry: () => readonly Sample[];
  readonly upstreamExpiry: () => number | undefined;
  readonly certificateExpiry: () => readonly Sample[];
  readonly fanOut: () => FanOutSample | undefined;
  readonly diskFreeBytes: () => number | undefined;
  readonly ledgerBytes: () => number | undefined;
};

/**
 * What operators watch: requests by method and outcome, how far the ledger is, who listens, what was issued and refused,
 * when keys expire, the disk; and of the process, among others, how long its event loop stood still. Prometheus' text.
 */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Counter({
    name: "stint_requests_total",
    help: "Calls answered, by method and outcome (OK, or the reason of the refusal).",
    labelNames: ["method", "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "stint_request_seconds",
    help: "Time from a call's arrival to its answer.",
    labelNames: ["method"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read() ?? Number.NaN);
      },
    });
  const gauges = (name: string, help: string, labelNames: readonly string[], read: () => readonly Sample[]) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.set({ ...labels }, value);
      },
    });
  /** A counter that counts elsewhere, since the start of the process. */
  const counter = (name: string, help: string, labelNames: readonly string[], read: () => readonly Sample[]) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc({ ...labels }, value);
      },
    });
  gauge("stint_ledger_sequence", "Events in the ledger.", sources.ledgerSequence);
  const ofCommits = "Writes of the ledger since the start, each durable before any of what it recorded was answered.";
  counter("stint_ledger_commits_total", ofCommits, [], () => [[{}, sources.ledgerCommits()]]);
  gauge("stint_watchers", "Watches of the revocation feed that are connected.", sources.watchers);
  const ofTold =
    "Denials in the list that verifiers are told, which is swept once a minute; NaN before any has asked for it.";
  gauge("stint_denials_in_force", ofTold, sources.denialsInForce);
  gauge(
    "stint_nodes",
    "Machines without a broker that are registered and not disabled; those of groups are not counted.",
    sources.nodes,
  );
  gauge("stint_nodes_attended", "Those whose agent is connected.", sources.nodesAttended);
  gauge(
    "stint_group_machines_attended",
    "Machines of groups of nodes whose agent is connected.",
    sources.groupMachinesAttended,
  );
  gauge("stint_replicas", "Brokers that share the ledger, or did in the last week.", sources.replicas);
  gauge("stint_replicas_there", "Those whose lease stands.", sources.replicasThere);
  gauge("stint_standbys", "Warm standbys that follow the ledger.", sources.standbys);
  gauge("stint_ready", "1 while credentials are issued.", () => Number(sources.isReady()));
  gauge("stint_open_steps", "Steps that are open.", sources.openSteps);
  gauge("stint_steps_to_judge", "Open steps that wait to be judged anew.", sources.waitingSteps);
  const ofJudged = "Open steps that were judged anew, by what came of it: permitted, or closed.";
  counter("stint_steps_judged_total", ofJudged, ["outcome"], sources.judged);
  const ofRisks = "Scopes whose risk is above low, by their kind (domain, agent, run) and the level.";
  gauges("stint_risks", ofRisks, ["kind", "level"], sources.risks);
  counter("stint_credentials_issued_total", "Credentials recorded to be issued, by kind.", ["kind"], sources.issued);
  counter("stint_credentials_revoked_total", "Credentials revoked before they expired.", [], () => [
    [{}, sources.revoked()],
  ]);
  counter("stint_steps_closed_total", "Steps closed, by the state they were closed in.", ["state"], sources.closed);
  counter("stint_calls_allowed_total", "Calls of tools that were asked about and allowed.", [], () => [
    [{}, sources.callsAllowed()],
  ]);
  const ofDenials = "Refusals of authority on record, by what was asked for and the reason.";
  counter("stint_denials_total", ofDenials, ["act", "reason"], sources.denied);
  const ofExchanges =
    "Secrets of other systems, by what became of them: issued, failed, unknown; and then told, lapsed.";
  counter("stint_exchanges_total", ofExchanges, ["outcome"], sources.exchanges);
  const ofStanding = "Secrets of other systems that may be alive: held by an open step, ending, or lapsing.";
  gauges("stint_exchanges_standing", ofStanding, ["standing"], sources.exchangesStanding);
  const ofRounds =
    "Rounds of retention, by what became of them: pruned, nothing (to prune), waiting (while the ledger or the clock is not believed), failed.";
  counter("stint_retention_rounds_total", ofRounds, ["outcome"], sources.retentionRounds);
  counter("stint_events_pruned_total", "Events of the ledger whose content was pruned.", [], () => [
    [{}, sources.prunedEvents()],
  ]);
  const ofLag = "Events of the ledger that a connected verifier has not acknowledged; of the hundred with most.";
  gauges("stint_verifier_lag_events", ofLag, ["verifier"], sources.verifierLag);
  const ofExpiry = "When a signing key, and its CA certificate where it has one, expires; Unix seconds.";
  const ofAuthority = ["authority_id", "family", "state"];
  gauges("stint_authority_expiry_timestamp_seconds", ofExpiry, ofAuthority, sources.authorityExpiry);
  const ofUpstream = "When the upstream CA's chain expires; Unix seconds, NaN without an upstream CA.";
  gauge("stint_upstream_authority_expiry_timestamp_seconds", ofUpstream, sources.upstreamExpiry);
  const ofCertificate = "When a certificate expires that a listener shows from files; Unix seconds.";
  gauges("stint_certificate_expiry_timestamp_seconds", ofCertificate, ["certificate"], sources.certificateExpiry);
  const ofSequence =
    "Sequence through which the stream on the message bus has all denials; NaN while that is not known, or without a bus.";
  gauge("stint_fan_out_sequence", ofSequence, () => sources.fanOut()?.sequence);
  const ofBeat =
    "Age of the last heartbeat on the message bus, or time since the start where none was told; NaN without a bus.";
  gauge("stint_fan_out_heartbeat_age_seconds", ofBeat, () => sources.fanOut()?.heartbeatAgeSeconds);
  const ofFailures = "Attempts to tell the deny-list on a message bus that failed and are made again.";
  counter("stint_fan_out_failures_total", ofFailures, [], () => [[{}, sources.fanOut()?.failures ?? 0]]);
  gauge("stint_disk_free_bytes", "Free space on the ledger's disk.", sources.diskFreeBytes);
  gauge("stint_ledger_bytes", "Size of the ledger, its write-ahead log included.", sources.ledgerBytes);

  const count: Metrics["count"] = ({ method, outcome, durationMs }) => {
    requests.inc({ method, outcome });
    seconds.observe({ method }, durationMs / 1_000);
  };
  return {
    registry,
    count,
    counting(log) {
      return {
        ...log,
        request(line) {
          count(line);
          log.request(line);
        },
      };
    },
  };
}
