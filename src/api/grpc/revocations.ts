import { type RevocationTarget, type RevokePorts, revoke } from "../../close/revoke.ts";
import { processNamed } from "../../decide/named-process.ts";
import { operatorWith } from "../../decide/step-access.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { Actor } from "../../domain/ledger-event.ts";
import type { ProcessIdentity } from "../../domain/process.ts";
import { isRevocationReason } from "../../domain/revocation.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Revocations, RevokeRequest } from "../../gen/stint/v1/revocations_pb.js";
import type { ProcessWatch } from "../../ports/attestor.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import { exchangeMessageOf } from "../../wire/exchange-message.ts";
import { issuanceMessageOf } from "../../wire/issuance-message.ts";
import { principalNameOf } from "../../wire/principal-message.ts";
import { processOfMessage } from "../../wire/process-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { shownStep } from "./shown-step.ts";
import { type FeedPorts, watchHandler } from "./watch.ts";

export type RevocationsPorts = FeedPorts &
  RevokePorts & {
    readonly entries: EntryDirectory;
    readonly processes: ProcessWatch;
    readonly principals: Pick<PrincipalVault, "idOf" | "open">;
  };

/** What else must name a process that has gone, or that the broker knows by another pid. */
const WHOLE = "boot id, PID namespace and start time too";

export function revocationsHandlers(endpoint: Endpoint, ports: RevocationsPorts): HandlersOf<typeof Revocations> {
  return {
    watch: watchHandler(endpoint, ports),
    revoke: unary(endpoint, "Revocations.Revoke", async (request, caller) => {
      const by = operatorActor(caller, ["admin"]);
      const reason = request.reason === "" ? "privilegeWithdrawn" : request.reason;
      if (!isRevocationReason(reason)) throw invalidField("reason", "an RFC 5280 reason name, e.g. keyCompromise");
      const revoked = await revoke(
        targetOf(request.target, caller, ports),
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

function isWhole(named: Partial<ProcessIdentity> & { readonly pid: number }): named is ProcessIdentity {
  return named.bootId !== undefined && named.pidNamespace !== undefined && named.startTimeTicks !== undefined;
}

function targetOf(target: RevokeRequest["target"], caller: Attested, ports: RevocationsPorts): RevocationTarget {
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
    case "process": {
      const named = processOfMessage(target.value);
      const process = isWhole(named)
        ? named
        : processNamed(named.pid, caller, ports.processes, { field: "process", instead: WHOLE })?.process;
      if (process === undefined) throw invalidField("process", `a live pid, or ${WHOLE}`);
      return { kind: "process", process: { ...process, ...named } };
    }
    case "principal":
      return { kind: "principal", principalId: ports.principals.idOf(principalNameOf(target.value, "principal")) };
    default:
      throw invalidField("target", "what to revoke");
  }
}
