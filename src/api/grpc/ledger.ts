import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ProvePorts, prove, proveConsistency } from "../../audit/prove.ts";
import { checkSeen, type SeenCheckpointPorts } from "../../audit/seen-checkpoint.ts";
import { checkMayLook, operatorWith } from "../../decide/step-access.ts";
import type { Actor } from "../../domain/actor.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import type {
  LedgerBackupRequest,
  LedgerBackupResponseSchema,
  LedgerFollowRequest,
  LedgerFollowResponseSchema,
  Ledger as LedgerService,
  LedgerVerifyRequest,
  LedgerVerifyResponseSchema,
  ProveRequest,
} from "../../gen/stint/v1/ledger_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger, OpenedLedger, VerificationProgress } from "../../ports/ledger.ts";
import type { CloseResult } from "../../ports/ledger-acts.ts";
import type { LedgerBackups } from "../../ports/ledger-backup.ts";
import type { Standbys } from "../../ports/standbys.ts";
import type { ProvenSubject } from "../../ports/tree-reads.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { fewAtOnce } from "./few-at-once.ts";
import { backupMessages } from "./ledger-backup.ts";
import { followMessages, type LedgerFollowPorts } from "./ledger-follow.ts";
import { operatorActor } from "./revocations.ts";
import { serverStreaming } from "./streaming.ts";

export type LedgerPorts = Pick<ProvePorts, "tree"> & {
  readonly ledger: Pick<Ledger, "head" | "follow">;
  readonly log: LedgerFollowPorts["log"];
  readonly rolledBack: SeenCheckpointPorts["rolledBack"];
  readonly clock: Clock;
  readonly standbys: Standbys;
  /** Whether several brokers share the log. */
  readonly isShared: boolean;
  readonly verifyAll: OpenedLedger["verifyAll"];
  readonly checkpoints: ProvePorts["checkpoints"] &
    LedgerFollowPorts["checkpoints"] &
    SeenCheckpointPorts["checkpoints"] & { verifierKey(epoch: string): string };
  readonly backups: LedgerBackups;
  readonly suspendedBecause: () => readonly string[];
  /** Begins a new epoch: closes all steps, replaces all keys, lifts the suspension. */
  readonly acceptRestore: (reason: string, by: Actor) => Promise<CloseResult>;
};

/** Another would read the same disk at the same time, and find the same. */
const VERIFICATIONS_MAX = 1;
/** Each reads what is recorded once more. */
const STANDBYS_MAX = 4;
/** Whoever keeps a copy sees all of the ledger: more than any one answer of history. */
const COPYING = ["admin", "standby"] as const;
const ID_LENGTH_MAX = 128;

type VerifyMessage = MessageInitShape<typeof LedgerVerifyResponseSchema>;

export function ledgerHandlers(endpoint: Endpoint, ports: LedgerPorts): HandlersOf<typeof LedgerService> {
  const places = fewAtOnce(VERIFICATIONS_MAX, "verifications");
  const standbys = fewAtOnce(STANDBYS_MAX, "standbys");
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
    getCheckpoint: unary(endpoint, "Ledger.GetCheckpoint", async (_request, caller) => {
      checkMayLook(caller);
      const { note, size } = await ports.checkpoints.covering(1);
      const verifierKey = ports.checkpoints.verifierKey(ports.ledger.head().epoch);
      return { checkpoint: note, size: BigInt(size), verifierKey };
    }),
    prove: unary(endpoint, "Ledger.Prove", async (request, caller) => {
      checkMayLook(caller);
      const { sequence, proof } = await prove(subjectOf(request), ports);
      return { sequence: BigInt(sequence), proof };
    }),
    proveConsistency: unary(endpoint, "Ledger.ProveConsistency", async (request, caller) => {
      checkMayLook(caller);
      const { hashes, checkpoint } = await proveConsistency(Number(request.oldSize), ports);
      return { hashes: [...hashes], checkpoint };
    }),
    verify: serverStreaming(
      endpoint,
      "Ledger.Verify",
      async function* (_request: LedgerVerifyRequest, { caller, signal }): AsyncGenerator<VerifyMessage> {
        checkMayLook(caller);
        const leave = places.enter();
        try {
          yield* verified(ports, signal);
        } finally {
          leave();
        }
      },
    ),
    backup: serverStreaming<LedgerBackupRequest, typeof LedgerBackupResponseSchema>(
      endpoint,
      "Ledger.Backup",
      async function* (_request, { caller }) {
        operatorActor(caller, COPYING);
        yield* backupMessages(ports.backups);
      },
    ),
    follow: serverStreaming<LedgerFollowRequest, typeof LedgerFollowResponseSchema>(
      endpoint,
      "Ledger.Follow",
      async function* ({ afterSequence, checkpoint }, { caller, signal }) {
        const { entryId } = operatorWith(caller, COPYING);
        // Whoever promoted a copy of it would have two logs that go on.
        if (ports.isShared)
          throw new BrokerError("NOT_SERVING", "the log is in PostgreSQL, which has standbys of its own");
        const leave = standbys.enter();
        const after = Number(afterSequence);
        const name = caller.entries.find((one) => one.entryId === entryId)?.content.name ?? "";
        const { sent, left } = ports.standbys.entered({ name, since: ports.clock.now(), sent: after });
        try {
          await checkSeen(checkpoint, ports);
          yield* followMessages(after, ports, { signal, sent });
        } finally {
          left();
          leave();
        }
      },
    ),
  };
}

/** Tells the newest progress, however fast it comes and however slowly the caller reads. */
async function* verified({ verifyAll }: LedgerPorts, signal: AbortSignal): AsyncGenerator<VerifyMessage> {
  let newest: VerificationProgress | undefined;
  let heard = Promise.withResolvers<void>();
  const progress = (one: VerificationProgress): void => {
    newest = one;
    heard.resolve();
  };
  const ending = verifyAll({ progress, signal }).finally(() => heard.resolve());
  // It is awaited below; until then a rejection has nobody who takes it.
  ending.catch(() => undefined);
  const ended = ending.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, heard.promise.then(() => false)]))) {
    heard = Promise.withResolvers<void>();
    if (newest === undefined) continue;
    const { stage, done, total } = newest;
    newest = undefined;
    yield { message: { case: "progress", value: { stage, done: BigInt(done), total: BigInt(total) } } };
  }
  const finding = await ending;
  const reason = finding.kind === "damaged" ? finding.reason : "";
  yield { message: { case: "finding", value: { intact: finding.kind === "intact", reason } } };
}

/** @throws BrokerError INVALID_FIELD */
function subjectOf({ subject, revocation }: ProveRequest): ProvenSubject {
  switch (subject.case) {
    case "jti":
      return { jti: idOf(subject), revocation };
    case "serialNumber":
      return { serialNumber: idOf(subject), revocation };
    case "issuanceId":
      return { issuanceId: idOf(subject), revocation };
    case "decisionId":
      return { decisionId: idOf(subject) };
    case "sequence":
      return { sequence: Number(subject.value) };
    default:
      throw invalidField("subject", "expected jti, serial_number, issuance_id, decision_id or sequence");
  }
}

function idOf({ case: field, value }: { readonly case: string; readonly value: string }): string {
  if (value === "" || value.length > ID_LENGTH_MAX) throw invalidField(field, `1 to ${ID_LENGTH_MAX} characters`);
  return value;
}
