import { AUTHORITY_STATES, type Authority } from "../../src/domain/authority.ts";
import { isWithin, narrowTo } from "../../src/domain/grant.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { AuthorityPut, AuthorityTainted } from "../../src/domain/ledger-event.ts";
import { audiencesOf } from "../../src/domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { entryInForce, type History, promise } from "./model-history.ts";

/** What the events say of credentials and of the authorities that sign them. */
export type ModelCredentials = {
  issue(record: IssuanceRecord, sequence: number, at: UnixMicros): void;
  put(authority: AuthorityPut["authority"]): void;
  taint(event: AuthorityTainted, sequence: number): void;
  /** A restored ledger: no authority of before signs. */
  removeAuthorities(): void;
};

export function createModelCredentials(history: History): ModelCredentials {
  const { steps, credentials, policies } = history;
  const authorities = new Map<string, Authority["state"]>();
  const names = new Set<string>();

  return {
    issue(record, sequence, at) {
      promise(record.subject.kind === "step", "agents get credentials for steps alone");
      const { stepId } = record.subject;
      const one = steps.get(stepId);
      promise(one?.state === "OPEN", "nothing is recorded for a step that is not open");
      const { step } = one;
      promise(policies.roseAt(step) <= one.judged, "nothing is issued after a rise of risk until the step was judged");
      promise(record.expiresAt <= step.expiresAt, "no credential outlives its step");
      promise(microsOf(record.expiresAt) > at, "nor has it expired when it is made");
      promise(record.spiffeId === step.spiffeId, "its identity is the step");
      entryInForce(history, step.agentEntryId);
      promise(authorities.get(record.authorityId) === "active", "only an active authority signs");
      if (record.delegation !== undefined) {
        const { content } = entryInForce(history, record.delegation.runtimeEntryId);
        promise(content.kind === "runtime", "a step is delegated to a runtime");
        promise(isWithin(record.grant, step.grant), "a token passes on no more than its step has");
        promise(record.audiences.join() === "spiffe://example.org/stint/server", "and is for the broker alone");
      }
      for (const audience of record.delegation === undefined ? record.audiences : []) {
        promise(audiencesOf(step).includes(audience), "its audience is one of the step's");
        promise(
          isWithin(record.grant, narrowTo(step.grant, audience)),
          "it grants no more than the step at that place",
        );
      }
      const own = [record.issuanceId, record.toBeSignedSha256, record.jti ?? record.serialNumber ?? ""];
      promise(
        own.every((name) => name !== "" && !names.has(name)),
        "no two credentials share a name or their bytes",
      );
      for (const name of own) names.add(name);
      credentials.set(record.issuanceId, { record, sequence, stepId, undelivered: false, revoked: undefined });
    },
    put({ authorityId, state }) {
      promise(
        AUTHORITY_STATES.indexOf(state) >= AUTHORITY_STATES.indexOf(authorities.get(authorityId) ?? "prepared"),
        "an authority's life only goes forward",
      );
      authorities.set(authorityId, state);
    },
    taint({ authorityId, reason, count, at }, sequence) {
      // A verifier may accept it for ten seconds after its expiry.
      const accepted = [...credentials.values()].filter(
        ({ record, stepId, revoked, undelivered }) =>
          record.authorityId === authorityId &&
          microsOf(record.expiresAt) > addMicros(at, -10_000_000) &&
          revoked === undefined &&
          !undelivered &&
          steps.get(stepId)?.closed === undefined,
      );
      promise(count === accepted.length, "all that a tainted authority signed is taken back");
      for (const credential of accepted) credential.revoked = { sequence, at, reason };
    },
    removeAuthorities() {
      for (const authorityId of authorities.keys()) authorities.set(authorityId, "removed");
    },
  };
}
