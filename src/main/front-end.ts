import { Socket } from "node:net";
import { createUnixAttestor, type UnixAttestor } from "../adapters/attestor-unix/unix-attestor.ts";
import type { LedgerProcess } from "../adapters/front-processes/ledger-process.ts";
import { followBeside, type LedgerBeside } from "../adapters/ledger-sqlite/follow-beside.ts";
import type { ProcessLog } from "../adapters/log-pino/log-pino.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { systemRandomness } from "../adapters/system/system-randomness.ts";
import { createUnixConnections } from "../api/endpoint/unix-connections.ts";
import { attesting } from "../api/grpc/attesting.ts";
import { createRelay } from "../api/grpc/relay.ts";
import { frontServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import type { FetchTokenPorts } from "../api/grpc/workload-api-tokens.ts";
import { keepAuthorityBook } from "../authority/authority-book.ts";
import { signingAt } from "../authority/lifecycle.ts";
import { isOwnAmong } from "../authority/own-authority.ts";
import type { DenialRecorder } from "../decide/record-denial.ts";
import type { Authority } from "../domain/authority.ts";
import type { Denial } from "../domain/errors.ts";
import { secondsOf } from "../domain/time.ts";
import { keepStepDirectory } from "../follow/step-directory.ts";
import { createIssuanceRate } from "../issue/issuance-rate.ts";
import { issueThere } from "../issue/issue-apart.ts";
import type { IssueDelegationPorts } from "../issue/issue-delegation-token.ts";
import { createStatusIndexes } from "../issue/status-indexes.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Log } from "../ports/log.ts";
import type { Signer } from "../ports/signer.ts";
import { keepEntryDirectory } from "../registry/entry-directory.ts";
import { type AskLedger, type FrontSettings, sentDenial } from "./front-questions.ts";
import { svidFormats } from "./svid-formats.ts";
import { openTracing } from "./tracing.ts";

type FrontPorts = {
  readonly parent: LedgerProcess;
  /** Of this process, whose level is set. */
  readonly setLevel: ProcessLog["setLevel"];
  readonly log: Log;
  /** Resolves when the last lines are written. */
  readonly flushed: () => Promise<void>;
};

/**
 * A front end: takes connections of the workload socket, attests who is there, decides and drafts what is issued for steps, and sends
 * every other call on. It holds no key and records nothing; what it knows of the ledger it reads and follows.
 *
 * @throws BrokerError when the ledger can't be read, or the kernel does not tell who connects
 */
export async function runFrontEnd({ parent, setLevel, log, flushed }: FrontPorts): Promise<void> {
  const { issuer, statusLists, ledgerDirectory, shared, logLevel, tracing: traced } = parent.settings as FrontSettings;
  setLevel(logLevel);
  const clock = systemClock();
  const random = systemRandomness();
  const failed = (error: unknown) => log.fault("a background act failed", error);
  const tracing = await openTracing(traced, log);
  const ask = parent.ask as AskLedger;
  const unix = createUnixAttestor();
  const { committed, ...beside } = await followBeside({
    ...{ directory: ledgerDirectory, sequence: parent.sequence, clock, failed },
  });
  const { entries, stepDirectory, authorities, reached } = await keepDirectories(beside, {
    ...{ unix, clock, failed },
    ...(shared !== undefined && { isOwn: isOwnAmong(shared.replica, (id) => shared.heldBefore.includes(id)) }),
  });
  const denials: DenialRecorder = {
    // What could not be asked for there, the log there tells of.
    record: (decision, refusee) => ask("deny", sentDenial(decision, refusee)).catch(() => decision.decisionId),
    flush: async () => undefined,
  };
  let suspended: Denial | undefined;
  const issuing: IssueDelegationPorts & FetchTokenPorts = {
    ...{ stepDirectory, executorSteps: stepDirectory, stepProcesses: stepDirectory, entries, authorities, denials },
    processes: unix.watch,
    formats: svidFormats(issuer),
    ...(statusLists ? { statusIndexes: createStatusIndexes(random) } : {}),
    principals: { open: (recorded) => ask("principal", recorded) },
    // Of this front end alone. The process of the ledger counts for all of them.
    rate: createIssuanceRate(clock),
    // Asked once more where it is recorded.
    gate: { refusal: () => suspended },
    ...{ clock, random, ledger: NO_LEDGER, signer: NO_SIGNER },
    issuedElsewhere: (drafted) => issueThere(drafted, (drafts) => ask("issue", drafts)),
  };

  /** By the id that a connection has here, the one that it has in the process of the ledger. */
  const idsThere = new Map<string, string>();
  const relay = createRelay((connectionId) => {
    const there = idsThere.get(connectionId);
    const pair = there === undefined ? undefined : unix.descriptors.openPair();
    if (there === undefined || pair === undefined) return undefined;
    const [own, given] = pair;
    parent.relay(there, given);
    return new Socket({ fd: own, readable: true, writable: true });
  });
  const counting: Log = {
    ...log,
    request(line) {
      const { method, outcome, durationMs } = line;
      parent.count({ method, outcome, durationMs });
      log.request(line);
    },
  };
  const server = frontServer(
    {
      peerOf: (call) => connections.peerOf(call),
      attest: attesting({ attestor: unix.attestor, entries, denials, clock, random }),
      ...{ log: counting, clock, tracing },
    },
    issuing,
    relay.raw,
  );
  const connections = createUnixConnections({
    server,
    adopt: unix.adopt,
    descriptors: unix.descriptors,
    // They were counted where they were accepted.
    connectionsPerUidMax: Number.POSITIVE_INFINITY,
    onRefused: ({ reason, uid }) => log.recurring("connection refused", { reason, uid: uid ?? -1 }),
  });

  parent.serve({
    take(there, socket) {
      const peer = connections.admit(socket);
      if (peer === undefined) {
        parent.ended(there);
        return;
      }
      const { connectionId } = peer;
      idsThere.set(connectionId, there);
      socket.once("close", () => {
        idsThere.delete(connectionId);
        relay.end(connectionId);
        parent.ended(there);
      });
    },
    async follow(sequence, because) {
      suspended = because;
      committed(sequence);
      return reached(sequence);
    },
    setLevel: (level) => setLevel(level as FrontSettings["logLevel"]),
    async stop() {
      const listening = { connections: connections.connections, stop: () => undefined, close: connections.drop };
      await stopServing(server, listening, clock);
      await tracing?.close();
      await flushed();
    },
  });
}

/** What issuing for steps looks at, each by the ledger's events. */
async function keepDirectories(
  beside: Omit<LedgerBeside, "committed">,
  {
    unix,
    clock,
    failed,
    ...own
  }: {
    readonly unix: UnixAttestor;
    readonly clock: Clock;
    readonly failed: (error: unknown) => void;
    readonly isOwn?: (authority: Authority) => boolean;
  },
) {
  const entries = await keepEntryDirectory({ ...beside, failed });
  const stepDirectory = await keepStepDirectory({ ...beside, processes: unix.watch, kinship: unix.kinship, failed });
  const book = await keepAuthorityBook({
    ...beside,
    ...own,
    ledger: { ...beside.ledger, ...NO_LEDGER },
    clock,
    failed,
  });
  const followings = [entries.following, stepDirectory.following, book.following];
  const authorities: AuthorityDirectory = {
    // Whether its key is at hand is known, and looked at, where it signs.
    active: (family) => signingAt(book.of(family), secondsOf(clock.now()), () => true),
    all: book.published,
  };
  return {
    entries,
    stepDirectory,
    authorities,
    async reached(sequence: number): Promise<boolean> {
      const reached = await Promise.all(followings.map((following) => following.reached(sequence)));
      return !reached.includes(false);
    },
  };
}

const notHere = () => Promise.reject(new Error("a front end neither records nor signs"));
const NO_LEDGER: Pick<Ledger, "perform"> = { perform: notHere };
const NO_SIGNER: Signer = {
  ...{
    create: notHere,
    signSvid: notHere,
    signCrl: notHere,
    signStatusList: notHere,
    signSecurityEvent: notHere,
    signFeedMessage: notHere,
    destroy: notHere,
  },
  holds: () => false,
  held: () => [],
};
