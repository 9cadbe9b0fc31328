import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { checkMayLook } from "../../decide/step-access.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { Status, StatusGetResponseSchema } from "../../gen/stint/v1/status_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger, LedgerDisk } from "../../ports/ledger.ts";
import type { Replicas } from "../../ports/replicas.ts";
import type { Standbys } from "../../ports/standbys.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { timestampOfMicros, timestampOfSeconds } from "../../wire/timestamps.ts";
import { type AuthoritiesPorts, publishedAuthorities } from "./authorities.ts";
import { type Endpoint, unary } from "./call.ts";
import { type HistoryPorts, verifiersOf } from "./history.ts";
import { statusFollowHandler } from "./status-follow.ts";

export type StatusPorts = {
  readonly clock: Pick<Clock, "schedule" | "monotonicMs">;
  readonly ledger: Pick<Ledger, "follow" | "head">;
  readonly trustDomain: string;
  readonly readiness: () => {
    readonly ready: boolean;
    readonly reasons: readonly string[];
    readonly warnings: readonly string[];
  };
  /** `undefined` while nobody can tell. */
  readonly openSteps: () => number | undefined;
  readonly authorities: AuthoritiesPorts["authorities"];
  readonly upstreamExpiresAt: () => UnixSeconds | undefined;
  readonly history: Pick<HistoryPorts, "ledger" | "receipts" | "entries">;
  readonly disk: () => LedgerDisk | undefined;
  /** Absent: the ledger is shared with nobody. */
  readonly replicas: Pick<Replicas, "own" | "all" | "leader"> | undefined;
  readonly standbys: Pick<Standbys, "all">;
};

/** One answer shows no more verifiers than this; `History.ListVerifiers` has all of them. */
const VERIFIERS_MAX = 100;

export function statusHandlers(endpoint: Endpoint, ports: StatusPorts): HandlersOf<typeof Status> {
  return {
    get: unary(endpoint, "Status.Get", async (_request, caller) => {
      checkMayLook(caller);
      return statusMessageOf(ports);
    }),
    follow: statusFollowHandler(endpoint, { ...ports, status: () => statusMessageOf(ports) }),
  };
}

function statusMessageOf(ports: StatusPorts): Exclude<MessageInitShape<typeof StatusGetResponseSchema>, Message> {
  const { ready, reasons, warnings } = ports.readiness();
  const { epoch, sequence } = ports.ledger.head();
  const [openSteps, disk, upstreamExpiresAt] = [ports.openSteps(), ports.disk(), ports.upstreamExpiresAt()];
  const verifiers = verifiersOf(ports.history).sort((one, other) => Number(other.lag - one.lag));
  return {
    ready,
    reasons: [...reasons],
    warnings: [...warnings],
    trustDomain: ports.trustDomain,
    epoch,
    sequence: BigInt(sequence),
    ...(openSteps === undefined ? {} : { openSteps }),
    authorities: publishedAuthorities(ports.authorities),
    ...(upstreamExpiresAt === undefined ? {} : { upstreamExpiresAt: timestampOfSeconds(upstreamExpiresAt) }),
    verifiersConnected: verifiers.filter(({ connected }) => connected).length,
    verifiers: verifiers.slice(0, VERIFIERS_MAX),
    ...(disk === undefined ? {} : { disk: diskMessageOf(disk) }),
    replicas: ports.replicas === undefined ? [] : replicaMessagesOf(ports.replicas),
    standbys: ports.standbys.all().map(({ name, since, sent }) => ({
      ...{ name, since: timestampOfMicros(since), sentSequence: BigInt(sent) },
      lag: BigInt(Math.max(0, sequence - sent)),
    })),
  };
}

function replicaMessagesOf({ own, all, leader }: Pick<Replicas, "own" | "all" | "leader">) {
  return all().map(({ name, isAlive, report: { nodes, receipts } }) => ({
    ...{ name, there: isAlive, answers: name === own, leads: name === leader() },
    toldSequence: BigInt(receipts?.through ?? 0),
    verifiersConnected: receipts?.verifiers.filter(({ isConnected }) => isConnected).length ?? 0,
    nodes: [...nodes],
  }));
}

function diskMessageOf({ freeBytes, freeBytesMin, ledgerBytes }: LedgerDisk) {
  return {
    freeBytes: BigInt(freeBytes),
    freeBytesMin: BigInt(freeBytesMin),
    ledgerBytes: BigInt(ledgerBytes),
  };
}
