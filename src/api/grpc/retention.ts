import { type RetentionRounds, type RetentionTimes, timesFor } from "../../audit/retention.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { newId } from "../../domain/ids.ts";
import type { LegalHold } from "../../domain/legal-hold.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import { parseSegment } from "../../domain/spiffe-id.ts";
import type { PlaceHoldRequest, Retention as RetentionService } from "../../gen/stint/v1/retention_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { DueClass, LedgerRetention, StandingHold } from "../../ports/ledger-retention.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { principalNameOf } from "../../wire/principal-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import { principalIdOf } from "./principals.ts";
import { operatorActor } from "./revocations.ts";

export type RetentionPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly retention: Pick<LedgerRetention, "standing">;
  readonly rounds: Pick<RetentionRounds, "round" | "due">;
  /** As the configuration has them. */
  readonly times: RetentionTimes | undefined;
  readonly principals: Pick<PrincipalVault, "idOf">;
  readonly clock: Clock;
  readonly random: Randomness;
};

const ID_RANDOM_BYTES = 10;

export function retentionHandlers(endpoint: Endpoint, ports: RetentionPorts): HandlersOf<typeof RetentionService> {
  const { ledger, retention, rounds, times, clock, random } = ports;
  return {
    get: unary(endpoint, "Retention.Get", async (_request, caller) => {
      checkMayLook(caller);
      const { holds, prunedEvents, snapshot, isNew } = await retention.standing();
      return {
        holds: holds.map(holdMessageOf),
        prunedEvents: BigInt(prunedEvents),
        snapshotSequence: BigInt(snapshot?.through ?? 0),
        snapshotBytes: BigInt(snapshot?.bytes ?? 0),
        periods: Object.entries(timesFor(times, isNew)).map(([eventClass, seconds]) => ({ eventClass, seconds })),
      };
    }),
    placeHold: unary(endpoint, "Retention.PlaceHold", async (request, caller) => {
      const by = operatorActor(caller, ["admin"]);
      const { reason } = request;
      checkReason(reason);
      const now = clock.now();
      const hold = { holdId: newId("hold", now, random.bytes(ID_RANDOM_BYTES)), ...heldBy(request, ports) };
      const { holdId, sequence } = await ledger.perform({ act: "place-hold", hold, reason, by, now });
      return { holdId, sequence: BigInt(sequence) };
    }),
    liftHold: unary(endpoint, "Retention.LiftHold", async ({ holdId, reason }, caller) => {
      const by = operatorActor(caller, ["admin"]);
      checkReason(reason);
      const lifted = await ledger.perform({ act: "lift-hold", holdId, reason, by, now: clock.now() });
      if (isDenial(lifted)) throw errorOf(lifted);
      return { sequence: BigInt(lifted.sequence) };
    }),
    prune: unary(endpoint, "Retention.Prune", async ({ dryRun }, caller) => {
      operatorActor(caller, ["admin"]);
      return dryRun
        ? { prunedEvents: 0n, due: (await rounds.due()).flatMap(dueMessagesOf) }
        : { prunedEvents: BigInt(await rounds.round()), due: [] };
    }),
  };
}

/** @throws BrokerError INVALID_FIELD */
function heldBy({ scope }: PlaceHoldRequest, ports: RetentionPorts): Pick<LegalHold, "scope" | "value"> {
  switch (scope.case) {
    case "runId":
      return { scope: "run", value: parseSegment(scope.value, "run_id") };
    case "agent":
      return { scope: "agent", value: parseSegment(scope.value, "agent") };
    case "principalId":
      return { scope: "principal", value: principalIdOf({ principalId: scope.value }, "principal_id") };
    case "principal":
      return { scope: "principal", value: ports.principals.idOf(principalNameOf(scope.value, "principal")) };
    default:
      throw invalidField("scope", "expected run_id, agent, principal_id or principal");
  }
}

/** None of a class of which nothing is due. */
function dueMessagesOf({ class: eventClass, events, bytes }: DueClass) {
  return events === 0 ? [] : [{ eventClass, events: BigInt(events), bytes: BigInt(bytes) }];
}

function holdMessageOf({ holdId, scope, value, reason, placedAt }: StandingHold) {
  const scopes = {
    run: { case: "runId", value },
    agent: { case: "agent", value },
    principal: { case: "principalId", value },
  } as const;
  return { holdId, scope: scopes[scope], reason, placedAt: timestampOfMicros(placedAt) };
}
