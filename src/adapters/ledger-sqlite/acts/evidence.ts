import { type Denial, denial } from "../../../domain/errors.ts";
import { secondsOf } from "../../../domain/time.ts";
import type {
  CreateJoinTokenAct,
  ResultOf,
  RevokeJoinTokensAct,
  Sequenced,
  SpendEvidenceAct,
  SpendJoinTokenAct,
} from "../../../ports/ledger.ts";
import { JOIN_TOKEN, type JoinTokenGuard, SPENT_EVIDENCE } from "../tables/evidence-table.ts";
import { type ActContext, sequenced } from "./act-context.ts";

export function createJoinToken({ append }: ActContext, act: CreateJoinTokenAct): Sequenced {
  const { sha256, name, expiresAt, by, now } = act;
  return sequenced(append({ type: "join_token.created", v: 1, at: now, sha256, name, expiresAt, by }));
}

export function revokeJoinTokens(
  { db, append }: ActContext,
  { name, by, now }: RevokeJoinTokensAct,
): ResultOf<RevokeJoinTokensAct> {
  const live = db.get<{ readonly count: number }>(JOIN_TOKEN.liveOfName, { name, now: secondsOf(now) });
  const count = live?.count ?? 0;
  if (count === 0) return denial("INVALID_FIELD", "name: that of a join token nobody has used", { field: "name" });
  return { ...sequenced(append({ type: "join_token.revoked", v: 1, at: now, name, count, by })), count };
}

export function spendJoinToken(
  { db, append }: ActContext,
  { sha256, now }: SpendJoinTokenAct,
): ResultOf<SpendJoinTokenAct> {
  const token = db.get<JoinTokenGuard>(JOIN_TOKEN.bySha256, { sha256 });
  // Written as "not after now", so that a NaN is refused.
  if (token === undefined || !(token.expiresAt > secondsOf(now))) return notAccepted();
  const { name } = token;
  return { ...sequenced(append({ type: "join_token.spent", v: 1, at: now, sha256, name })), name };
}

export function spendEvidence({ db, append }: ActContext, act: SpendEvidenceAct): Sequenced | Denial {
  const { attestor, sha256, expiresAt, now } = act;
  const isSpent = db.get(SPENT_EVIDENCE.bySha256, { sha256 }) !== undefined;
  if (isSpent || !(expiresAt > secondsOf(now))) return notAccepted();
  return sequenced(append({ type: "evidence.spent", v: 1, at: now, attestor, sha256, expiresAt }));
}

function notAccepted(): Denial {
  return denial("NO_IDENTITY", "the evidence is not accepted");
}
