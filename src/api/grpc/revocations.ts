import { stepsToClose } from "../../audit/descendants.ts";
import { type RevocationTarget, type RevokePorts, revoke } from "../../close/revoke.ts";
import { operatorWith } from "../../decide/step-access.ts";
import type { Actor } from "../../domain/actor.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { isRevocationReason } from "../../domain/revocation.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Revocations, RevokeRequest } from "../../gen/stint/v1/revocations_pb.js";
import type { ProcessWatch } from "../../ports/attestor.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import { exchangeMessageOf } from "../../wire/exchange-message.ts";
import { issuanceMessageOf } from "../../wire/issuance-message.ts";
import { principalNameOf } from "../../wire/principal-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { namedEntry, namedProcess } from "./named-cause.ts";
import { shownStep } from "./shown-step.ts";
import { type FeedPorts, watchHandler } from "./watch.ts";

export type RevocationsPorts = FeedPorts &
  RevokePorts & {
    readonly history: HistoryReads;
    readonly entries: EntryDirectory;
    readonly processes: ProcessWatch;
    readonly principals: Pick<PrincipalVault, "idOf" | "open">;
  };

export function revocationsHandlers(endpoint: Endpoint, ports: RevocationsPorts): HandlersOf<typeof Revocations> {
  return {
    watch: watchHandler(endpoint, ports),
    revoke: unary(endpoint, "Revocations.Revoke", async (request, caller) => {
      const by = operatorActor(caller, ["admin"]);
      const reason = request.reason === "" ? "privilegeWithdrawn" : request.reason;
      if (!isRevocationReason(reason)) throw invalidField("reason", "an RFC 5280 reason name, e.g. keyCompromise");
      const revoked = await revoke(
        await targetOf(request.target, caller, ports),
        { reason, dryRun: request.dryRun, by },
        ports,
      );
      const now = ports.clock.now();
      return {
        sequence: BigInt(revoked.sequence),
        stepsClosed: await Promise.all(revoked.steps.map((step) => shownStep(step, { processes: true }, ports))),
        credentialsRevoked: revoked.issuances.map((row) => issuanceMessageOf(row, now)),
        truncated: revoked.steps.length < revoked.stepsCount || revoked.issuances.length < revoked.issuancesCount,
        stepsClosedCount: revoked.stepsCount,
        credentialsRevokedCount: revoked.issuancesCount,
        exchanges: revoked.exchanges.map(exchangeMessageOf),
      };
    }),
  };
}

/**
 * The actor that an operator's acts are recorded under.
 *
 * @throws BrokerError NOT_ENTITLED
 */
export function operatorActor(caller: Attested, roles: Parameters<typeof operatorWith>[1]): Actor {
  return { kind: "operator", entryId: operatorWith(caller, roles).entryId, uid: caller.uid };
}

/** @throws BrokerError STEP_NOT_FOUND when there is none */
async function ofSteps(
  cause: Parameters<typeof stepsToClose>[0],
  { history, clock }: RevocationsPorts,
): Promise<RevocationTarget> {
  const stepIds = await stepsToClose(cause, history, clock.now());
  if (stepIds.length === 0) throw new BrokerError("STEP_NOT_FOUND", "no such step");
  return { kind: "steps", stepIds };
}

async function targetOf(
  target: RevokeRequest["target"],
  caller: Attested,
  ports: RevocationsPorts,
): Promise<RevocationTarget> {
  switch (target.case) {
    case "jti":
      return { kind: "jti", jti: target.value };
    case "serialNumber":
      return { kind: "serialNumber", serialNumber: target.value };
    case "stepId":
      return { kind: "step", stepId: target.value };
    case "runId":
      return { kind: "run", runId: target.value };
    case "agent": {
      const entry = ports.entries.byName("agent", target.value);
      if (entry === undefined) throw new BrokerError("ENTRY_NOT_FOUND", "no entry of this agent");
      return { kind: "agent", entryId: entry.entryId };
    }
    case "process":
      return { kind: "process", process: namedProcess(target.value, caller, ports.processes) };
    case "entry":
      return { kind: "agent", entryId: namedEntry(target.value, ports.entries).entryId };
    case "decisionId":
      return ofSteps({ kind: "decision", decisionId: target.value }, ports);
    case "key":
      return ofSteps({ kind: "key", sha256: target.value }, ports);
    case "principalId":
      return { kind: "principal", principalId: target.value };
    case "principal":
      return { kind: "principal", principalId: ports.principals.idOf(principalNameOf(target.value, "principal")) };
    default:
      throw invalidField("target", "what to revoke");
  }
}
