import { checkMayLook } from "../../decide/step-access.ts";
import type { Actor } from "../../domain/ledger-event.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import type { Ledger as LedgerService } from "../../gen/stint/v1/ledger_pb.js";
import type { Ledger } from "../../ports/ledger.ts";
import type { CloseResult } from "../../ports/ledger-acts.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type LedgerPorts = {
  readonly ledger: Pick<Ledger, "head">;
  readonly suspendedBecause: () => readonly string[];
  /** Begins a new epoch: closes all steps, replaces all keys, lifts the suspension. */
  readonly acceptRestore: (reason: string, by: Actor) => Promise<CloseResult>;
};

export function ledgerHandlers(endpoint: Endpoint, ports: LedgerPorts): HandlersOf<typeof LedgerService> {
  return {
    get: unary(endpoint, "Ledger.Get", async (_request, caller) => {
      checkMayLook(caller);
      const { epoch, sequence, rootHash } = ports.ledger.head();
      return { epoch, sequence: BigInt(sequence), rootHash, suspendedBecause: [...ports.suspendedBecause()] };
    }),
    acceptRestore: unary(endpoint, "Ledger.AcceptRestore", async (request, caller) => {
      const by = operatorActor(caller, ["admin"]);
      checkReason(request.reason);
      const { stepsClosed } = await ports.acceptRestore(request.reason, by);
      const { epoch, sequence } = ports.ledger.head();
      return { epoch, sequence: BigInt(sequence), stepsClosed };
    }),
  };
}
