import { BrokerError } from "../../domain/errors.ts";
import { type ReplicaReport, replicaReportFrom } from "../../domain/replica-report.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Machine, Replica } from "../../ports/replicas.ts";
import type { Beat } from "../../ports/shared-log.ts";
import type { Session } from "./session.ts";

/** Who one broker is among those that share the log. May be handed to another thread. */
export type OwnReplica = {
  readonly name: string;
  /** Of its data directory: no other has it. */
  readonly instance: string;
  readonly machine: Machine;
};

const MICROS_PER_MS = 1_000;
const LEASE_MS = 10_000;
/** Whoever was away for longer has not seen who else was there meanwhile. */
const GAP_MS = 5_000;

/** A lease that a crash of the server takes back is renewed a moment later: nobody waits for the disk. */
const RENEW = `
  WITH unsynced AS (
    SELECT set_config('synchronous_commit', 'off', true)
  ), renewed AS (
    INSERT INTO stint.replica (name, instance, boot_id, pid_namespace, report, seen_at)
    SELECT $1, $2, $3, $4, $5::jsonb, clock_timestamp() FROM unsynced
    ON CONFLICT (name) DO UPDATE
       SET instance = excluded.instance, boot_id = excluded.boot_id, pid_namespace = excluded.pid_namespace,
           report = excluded.report, seen_at = excluded.seen_at
     WHERE replica.instance = excluded.instance OR replica.seen_at < clock_timestamp() - $6 * interval '1 millisecond'
    RETURNING 1
  )
  SELECT CASE WHEN $7::boolean THEN pg_notify('stint_replica', $8) END FROM renewed`;
/** One that was away for a week is told of no more. */
const ALL = `
  SELECT name, boot_id, pid_namespace, report, (extract(epoch FROM seen_at) * 1000)::float8 AS seen_ms,
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms
    FROM stint.replica WHERE seen_at > clock_timestamp() - interval '7 days' ORDER BY name`;

type ReplicaRecord = {
  readonly name: string;
  readonly boot_id: string;
  readonly pid_namespace: string;
  readonly report: unknown;
  readonly seen_ms: number;
  readonly now_ms: number;
};

/** The lease of one broker, and the others' as it sees them. */
export type Leases = {
  /** @throws BrokerError NOT_SERVING when another broker has the name of this one; LEDGER_UNAVAILABLE */
  renew(session: Session, report: ReplicaReport): Promise<Beat>;
  all(session: Session): Promise<readonly Replica[]>;
};

/**
 * Renews a lease, and tells whose leases stand. Only a lease that lapsed while this broker was watching counts as lapsed: after an
 * interruption of the database all leases are old, and nobody is gone.
 *
 * @param own - the payload by which this broker knows its own notices.
 */
export function createLeases({ name, instance, machine }: OwnReplica, own: string): Leases {
  let watchingSinceMs = 0;
  let seenMs = 0;
  let told = "";

  async function look(session: Session): Promise<Beat> {
    const { rows } = await session.query<ReplicaRecord>(ALL, []);
    const nowMs = rows[0]?.now_ms ?? 0;
    if (nowMs - seenMs > GAP_MS) watchingSinceMs = nowMs;
    seenMs = nowMs;
    const replicas = rows.map((row) => ({
      name: row.name,
      machine: { bootId: row.boot_id, pidNamespace: row.pid_namespace },
      isAlive: nowMs - Math.max(row.seen_ms, watchingSinceMs) < LEASE_MS,
      report: replicaReportFrom(row.report),
    }));
    return { replicas, at: Math.round(nowMs * MICROS_PER_MS) as UnixMicros };
  }

  return {
    async renew(session, report) {
      const text = JSON.stringify(report);
      const given = [name, instance, machine.bootId, machine.pidNamespace, text, LEASE_MS, text !== told, own];
      const { rowCount } = await session.query(RENEW, given);
      if (rowCount !== 1) {
        throw new BrokerError(
          "NOT_SERVING",
          `another broker is the replica ${name} of this ledger, or was a moment ago`,
        );
      }
      told = text;
      return look(session);
    },
    all: async (session) => (await look(session)).replicas,
  };
}
