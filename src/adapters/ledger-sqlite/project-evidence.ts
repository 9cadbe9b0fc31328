import type { EvidenceSpent, JoinTokenCreated, JoinTokensRevoked } from "../../domain/ledger-event.ts";
import { secondsOf } from "../../domain/time.ts";
import type { Connection } from "./connection.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { JOIN_TOKEN, SPENT_EVIDENCE } from "./tables/evidence-table.ts";

export function createJoinToken(
  db: Connection,
  { sha256, name, expiresAt, at }: JoinTokenCreated,
  _sequence: number,
): void {
  db.run(JOIN_TOKEN.forget, { now: secondsOf(at) });
  db.run(JOIN_TOKEN.insert, { sha256, name, createdAt: at, expiresAt });
}

export function revokeJoinTokens(db: Connection, { name, count }: JoinTokensRevoked, sequence: number): void {
  if (db.run(JOIN_TOKEN.revoke, { name }) < count) throw new ProjectionMismatch(sequence);
}

export function spendEvidence(db: Connection, { sha256, expiresAt, at }: EvidenceSpent, _sequence: number): void {
  db.run(SPENT_EVIDENCE.forget, { now: secondsOf(at) });
  db.run(SPENT_EVIDENCE.insert, { sha256, expiresAt });
}
