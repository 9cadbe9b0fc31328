import { type Denial, denial } from "../../domain/errors.ts";
import { secondsOf } from "../../domain/time.ts";
import type {
  CreateJoinTokenAct,
  ResultOf,
  RevokeJoinTokensAct,
  Sequenced,
  SpendEvidenceAct,
  SpendJoinTokenAct,
} from "../../ports/ledger-acts.ts";
import { ask, type Deliberation, type Ruling, read, recorded, refused } from "../rule.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function createJoinToken(act: CreateJoinTokenAct): Ruling<Sequenced> {
  const { sha256, name, expiresAt, by, now } = act;
  return recordedAll([{ type: "join_token.created", v: 1, at: now, sha256, name, expiresAt, by }]);
}

export function* revokeJoinTokens(act: RevokeJoinTokensAct): Deliberation<ResultOf<"revoke-join-tokens">> {
  const { name, by, now } = act;
  const { count } = yield* ask({ count: read("liveJoinTokens", name, secondsOf(now)) });
  if (count === 0) {
    return refused(denial("INVALID_FIELD", "name: that of a join token nobody has used", { field: "name" }));
  }
  const event = { type: "join_token.revoked", v: 1, at: now, name, count, by } as const;
  return recorded([event], (first) => ({ ...sequenced(first), count }));
}

export function* spendJoinToken({ sha256, now }: SpendJoinTokenAct): Deliberation<ResultOf<"spend-join-token">> {
  const { token } = yield* ask({ token: read("joinToken", sha256) });
  // Written as "not after now", so that a NaN is refused.
  if (token === undefined || !(token.expiresAt > secondsOf(now))) return refused(notAccepted());
  const { name } = token;
  const event = { type: "join_token.spent", v: 1, at: now, sha256, name } as const;
  return recorded([event], (first) => ({ ...sequenced(first), name }));
}

export function* spendEvidence(act: SpendEvidenceAct): Deliberation<Sequenced | Denial> {
  const { attestor, sha256, expiresAt, now } = act;
  const { isSpent } = yield* ask({ isSpent: read("isEvidenceSpent", sha256) });
  if (isSpent || !(expiresAt > secondsOf(now))) return refused(notAccepted());
  return recordedAll([{ type: "evidence.spent", v: 1, at: now, attestor, sha256, expiresAt }]);
}

function notAccepted(): Denial {
  return denial("NO_IDENTITY", "the evidence is not accepted");
}
