import { BrokerError } from "../../domain/errors.ts";
import type { Machine, Replica } from "../../ports/replicas.ts";
import type { Session } from "./session.ts";

/** Who one broker is among those that share the log. May be handed to another thread. */
export type OwnReplica = {
  readonly name: string;
  /** Of its data directory: no other has it. */
  readonly instance: string;
  readonly machine: Machine;
};

const LEASE_MS = 10_000;
/** Whoever was away for longer has not seen who else was there meanwhile. */
const GAP_MS = 5_000;

const RENEW = `
  INSERT INTO stint.replica (name, instance, boot_id, pid_namespace, seen_at)
  VALUES ($1, $2, $3, $4, clock_timestamp())
  ON CONFLICT (name) DO UPDATE
     SET instance = excluded.instance, boot_id = excluded.boot_id, pid_namespace = excluded.pid_namespace,
         seen_at = excluded.seen_at
   WHERE replica.instance = excluded.instance OR replica.seen_at < clock_timestamp() - $5 * interval '1 millisecond'`;
const ALL = `
  SELECT name, boot_id, pid_namespace, (extract(epoch FROM seen_at) * 1000)::float8 AS seen_ms,
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms
    FROM stint.replica ORDER BY name`;

type ReplicaRecord = {
  readonly name: string;
  readonly boot_id: string;
  readonly pid_namespace: string;
  readonly seen_ms: number;
  readonly now_ms: number;
};

/**
 * Renews a lease, and tells whose leases stand. Only a lease that lapsed while this broker was watching counts as lapsed: after an
 * interruption of the database all leases are old, and nobody is gone.
 */
export function createLeases({
  name,
  instance,
  machine,
}: OwnReplica): (session: Session) => Promise<readonly Replica[]> {
  let watchingSinceMs = 0;
  let seenMs = 0;

  return async (session) => {
    const { rowCount } = await session.query(RENEW, [name, instance, machine.bootId, machine.pidNamespace, LEASE_MS]);
    if (rowCount !== 1) {
      throw new BrokerError("NOT_SERVING", `another broker is the replica ${name} of this ledger, or was a moment ago`);
    }
    const { rows } = await session.query<ReplicaRecord>(ALL, []);
    const nowMs = rows[0]?.now_ms ?? 0;
    if (nowMs - seenMs > GAP_MS) watchingSinceMs = nowMs;
    seenMs = nowMs;
    return rows.map((row) => ({
      name: row.name,
      machine: { bootId: row.boot_id, pidNamespace: row.pid_namespace },
      isAlive: nowMs - Math.max(row.seen_ms, watchingSinceMs) < LEASE_MS,
    }));
  };
}
