import { jwtEs256Format } from "../../src/adapters/jwt-es256/jwt-es256.ts";
import { txnTokenEs256Format } from "../../src/adapters/jwt-es256/txn-token-es256.ts";
import { witEs256Format } from "../../src/adapters/jwt-es256/wit-es256.ts";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import { attest } from "../../src/attest/attest.ts";
import { prove } from "../../src/audit/prove.ts";
import { acceptRestore } from "../../src/authority/accept-restore.ts";
import type { Checkpoints } from "../../src/authority/checkpoints.ts";
import { signingAt } from "../../src/authority/lifecycle.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { approveCall, type CallApprovalRequest, refuseCall } from "../../src/check/approve-call.ts";
import { askerOf } from "../../src/check/asker.ts";
import { createCallRate } from "../../src/check/call-rate.ts";
import type { CallRequest } from "../../src/check/call-request.ts";
import { checkCall } from "../../src/check/check-call.ts";
import { type ReportedUsage, reportUsage } from "../../src/check/report-usage.ts";
import { createUsageJournal } from "../../src/check/usage-journal.ts";
import { type CloseRequest, closeStep } from "../../src/close/close-step.ts";
import { keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import { erase, offboard, readmit } from "../../src/close/principals.ts";
import { type RevocationTarget, revoke } from "../../src/close/revoke.ts";
import type { Actor } from "../../src/domain/actor.ts";
import type { KeyFamily } from "../../src/domain/authority.ts";
import { parseSpiffeBundle, spiffeBundle } from "../../src/domain/bundle.ts";
import { leewayBy } from "../../src/domain/closure.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { secondsOf } from "../../src/domain/time.ts";
import type { SvidOrder, SvidWanted } from "../../src/issue/entitle.ts";
import type { DelegationOrder } from "../../src/issue/entitle-delegation.ts";
import type { InfrastructureWanted } from "../../src/issue/entitle-infrastructure.ts";
import { createIssuanceRate } from "../../src/issue/issuance-rate.ts";
import { issueHere, issueThere } from "../../src/issue/issue-apart.ts";
import { issueDelegationToken } from "../../src/issue/issue-delegation-token.ts";
import { issueInfrastructureSvid } from "../../src/issue/issue-infrastructure-svid.ts";
import { issueSvids } from "../../src/issue/issue-svids.ts";
import { createOwnSvid } from "../../src/issue/own-svid.ts";
import { keepBeside } from "../../src/main/beside.ts";
import { type ApprovalRequest, approveStep } from "../../src/open/approve-step.ts";
import { holdStep } from "../../src/open/hold-step.ts";
import { openAndIssue } from "../../src/open/open-and-issue.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import { openStep } from "../../src/open/open-step.ts";
import { refuseStep } from "../../src/open/refuse-step.ts";
import { renewStep } from "../../src/open/renew-step.ts";
import type { EventPush } from "../../src/ports/event-push.ts";
import type { KeyPairs } from "../../src/ports/key-pairs.ts";
import type { OpenedLedger } from "../../src/ports/ledger.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import type { PrincipalTokens } from "../../src/ports/principal-tokens.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { createStreamManagement } from "../../src/signals/manage-streams.ts";
import { keepOutboxes } from "../../src/signals/outboxes.ts";
import { keepPushing } from "../../src/signals/push-events.ts";
import { processIdentities } from "../../src/stream/process-identities.ts";
import { openSvidStream, type SvidSink, type SvidStreamPorts } from "../../src/stream/svid-stream.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import type { Replica } from "../follow/replica.ts";
import { memoryExchanges } from "../memory/memory-exchanges.ts";
import { memoryVault } from "../memory/memory-vault.ts";
import { NO_ENGINE } from "../memory/no-engine.ts";
import type { VirtualClock } from "../memory/virtual-clock.ts";
import { LEEWAY_SECONDS } from "./cast.ts";
import type { Kernel, SimulatedProcess } from "./kernel.ts";

/** What outlives a broker: its store, its keys, and the world around it. */
export type Ground = {
  readonly store: OpenedLedger;
  readonly signer: Signer;
  readonly kernel: Kernel;
  readonly clock: VirtualClock;
  readonly random: Randomness;
  readonly failed: (error: unknown) => void;
  /** Absent: no set of policies is ever in force. */
  readonly engine?: PolicyEngine;
  /** Absent: whom steps work for is forgotten with the broker. */
  readonly principals?: PrincipalVault;
  /** How long a step waits for its approval. */
  readonly approvalSeconds?: number;
  /** Absent: no issuer of principals is configured. */
  readonly principalTokens?: PrincipalTokens;
  /** Absent: no security events are sent. */
  readonly events?: EventPush;
  /** Absent: nothing is signed of the ledger. */
  readonly checkpoints?: Checkpoints;
  /** Name of the broker among those that share the ledger; absent: nobody shares it. */
  readonly replica?: string;
  /** What a front end keeps, however far it is behind; absent: there is none. */
  readonly front?: Pick<Replica["kept"], "entries" | "stepDirectory" | "authorities">;
};

export const TRUST_DOMAIN = parseTrustDomain("example.org");
/** How long a step waits for its approval. */
export const APPROVAL_SECONDS = 600;
export const ISSUER = "https://broker.example.org";
export const OPERATOR: Actor = { kind: "operator", entryId: "entry_operator", uid: 0 };

/** Security events as the composition root has them sent. */
async function sendEvents(
  { store, signer, clock, random, failed }: Ground,
  { authorities, entries, notifier }: Awaited<ReturnType<typeof keepBeside>>,
  events: EventPush,
  closers: (() => Promise<void> | void)[],
) {
  const { ledger, projections, feed } = store;
  const onDenied = (listener: () => void) => notifier.subscribe(() => listener()).unsubscribe;
  const sending = { authorities, signer, clock, issuer: ISSUER, entries, failed };
  const outboxes = await keepOutboxes({ ...sending, ledger, projections, feed, onDenied });
  closers.push(
    () => outboxes.stop(),
    keepPushing({ ...sending, outboxes, events, isElsewhere: () => false, delayed: () => undefined }),
  );
  return {
    outboxes,
    pollPorts: { ...sending, outboxes, refused: () => undefined },
    streams: createStreamManagement({ ledger, outboxes, clock, random }),
  };
}

/** What comes of a message that crosses between processes. */
function crossed<Message>(message: Message): Message {
  return JSON.parse(JSON.stringify(message)) as Message;
}

export type Broker = Awaited<ReturnType<typeof startBroker>>;

/** The real paths over the real followers on this ground, wired by the composition root, and the acts of its API. */
export async function startBroker(ground: Ground) {
  const { principalTokens, approvalSeconds = APPROVAL_SECONDS } = ground;
  const { store, signer, kernel, clock, random, failed, engine = NO_ENGINE, principals = memoryVault(random) } = ground;
  const { ledger, steps, feed, history, credentials } = store;
  const closers: (() => Promise<void> | void)[] = [];
  const suspensions = createSuspensions(clock);
  const beside = await keepBeside(
    {
      store,
      signer,
      ...(ground.replica === undefined ? {} : { replica: ground.replica }),
      lifetimeSeconds: {
        ...{ "x509-svid": 86_400, "jwt-svid": 86_400, "wit-svid": 86_400, "txn-token": 86_400 },
        ...(ground.events === undefined ? {} : { events: 86_400 }),
      },
      processes: kernel.processes,
      kinship: kernel.kinship,
      nodes: { attended: () => [], onChange: () => () => undefined },
      trustDomain: TRUST_DOMAIN,
      apart: undefined,
      clock,
      random,
      failed,
      engine,
      principals,
      exchanges: memoryExchanges(random),
    },
    closers,
  );
  const { entries, registry, stepDirectory } = beside;
  await registry.start();

  const ownKeys = () => {
    const { jwtKeys } = parseSpiffeBundle(JSON.stringify(spiffeBundle(beside.authorities.all(), 1, 60)));
    return new Map([[TRUST_DOMAIN, { trustDomain: TRUST_DOMAIN, issuer: ISSUER, keys: verificationKeysOf(jwtKeys) }]]);
  };
  const ports = {
    ...beside,
    exchanges: beside.exchanges.endings,
    ledger,
    steps: { ...steps, ...stepDirectory.runs },
    callApprovals: store.callApprovals,
    feed: { ...feed, denied: beside.recentDenials.denied },
    history,
    credentials,
    replicas: store.replicas,
    signer,
    clock,
    random,
    gate: suspensions,
    engine,
    principals,
    ...(principalTokens === undefined ? {} : { principalTokens }),
    registryReads: store.registry,
    processes: kernel.processes,
    kinship: kernel.kinship,
    formats: {
      "x509-svid": x509DerFormat(),
      "jwt-svid": jwtEs256Format(ISSUER),
      "wit-svid": witEs256Format(),
      "txn-token": txnTokenEs256Format(ISSUER),
    },
    checkTokenSize: () => undefined,
    approvalSeconds,
    disableEntry: registry.disable,
    trustDomain: TRUST_DOMAIN,
    ownKeys,
  };
  const { notifier } = beside;
  const denyList = keepDenialsInForce({ ledger, feed, notifier, clock, formOf: (entry) => entry });
  const closurePorts = {
    ...{ ledger, history, clock, receipts: beside.receipts, exchanges: beside.exchanges.endings },
    leewayOf: leewayBy(LEEWAY_SECONDS),
  };
  const { checkpoints } = ground;
  const receiptPorts = checkpoints && {
    ...closurePorts,
    proveEvent: (sequence: number) => prove({ sequence }, { tree: store.tree, checkpoints }),
    signStatement: checkpoints.statement,
  };
  const usageJournal = createUsageJournal({ ledger, clock });
  const checking = { ...ports, bundles: ownKeys, rate: createCallRate(clock), usageJournal };
  const attested = ({ peer }: SimulatedProcess) => attest(peer, { attestor: kernel.attestor, entries });

  const signals = ground.events === undefined ? undefined : await sendEvents(ground, beside, ground.events, closers);

  return {
    ...beside,
    ...signals,
    denyList,
    closurePorts,
    receiptPorts,
    ports,
    suspensions,
    isSuspended: () => suspensions.refusal() !== undefined,
    open: async (by: SimulatedProcess, request: OpenRequest) => openStep(await attested(by), request, ports),
    /** For a caller that executes the step itself. */
    openWith: async (by: SimulatedProcess, request: OpenRequest, wanted: readonly SvidWanted[]) =>
      openAndIssue(await attested(by), request, wanted, ports),
    issue: async (by: SimulatedProcess, order: SvidOrder) => issueSvids(await attested(by), order, ports),
    /** The same by a front end, which drafts on what it knows; drafts and answers cross as they do between processes. */
    async issueApart(by: SimulatedProcess, order: SvidOrder) {
      const { front } = ground;
      if (front === undefined) throw new Error("there is no front end");
      const caller = await attest(by.peer, { attestor: kernel.attestor, entries: front.entries });
      const active = (family: KeyFamily) => signingAt(front.authorities.of(family), secondsOf(clock.now()), () => true);
      return issueSvids(caller, order, {
        ...ports,
        entries: front.entries,
        stepDirectory: front.stepDirectory,
        authorities: { active, all: front.authorities.published },
        rate: createIssuanceRate(clock),
        issuedElsewhere: (drafted) =>
          issueThere(drafted, async (drafts) => crossed(await issueHere(crossed(drafts), ports))),
      });
    },
    delegate: async (by: SimulatedProcess, order: DelegationOrder) =>
      issueDelegationToken(await attested(by), order, ports),
    issueInfrastructure: async (by: SimulatedProcess, wanted: InfrastructureWanted) =>
      issueInfrastructureSvid(await attested(by), wanted, ports),
    ownSvid: (keyPairs: KeyPairs) =>
      createOwnSvid({ ...ports, keyPairs, onBundleChange: beside.authorities.onChange, failed }),
    /** A stream of SVIDs to a process, as the Workload API opens it. */
    stream(
      to: SimulatedProcess,
      kind: "x509-svid" | "wit-svid",
      sink: SvidSink,
      own: Pick<SvidStreamPorts, "keyPairs"> & Partial<typeof ports>,
    ) {
      const all = { ...ports, executorSteps: stepDirectory, onEntriesChange: entries.onChange, ...own };
      return openSvidStream(
        processIdentities(
          () => attested(to),
          kind,
          (identities) => identities,
          all,
        ),
        sink,
        all,
      );
    },
    close: async (by: SimulatedProcess, request: CloseRequest) => closeStep(await attested(by), request, ports),
    revoke: (target: RevocationTarget) =>
      revoke(target, { reason: "privilegeWithdrawn", dryRun: false, by: OPERATOR }, ports),
    check: async (by: SimulatedProcess, request: CallRequest) =>
      checkCall(await askerOf(await attested(by), request, checking), request, checking),
    report: async (
      by: SimulatedProcess,
      report: { readonly reportId: string; readonly usages: readonly ReportedUsage[]; readonly gap: number },
    ) => reportUsage(await attested(by), report, checking),
    renew: async (by: SimulatedProcess, stepId: string) => renewStep(await attested(by), stepId, ports),
    hold: async (by: SimulatedProcess, stepId: string) => holdStep(await attested(by), stepId, ports),
    approve: async (by: SimulatedProcess, request: ApprovalRequest) => approveStep(await attested(by), request, ports),
    refuse: async (by: SimulatedProcess, asked: Pick<ApprovalRequest, "stepId" | "reason">) =>
      refuseStep(await attested(by), asked, ports),
    approveCall: async (by: SimulatedProcess, request: CallApprovalRequest) =>
      approveCall(await attested(by), request, ports),
    refuseCall: async (by: SimulatedProcess, asked: Pick<CallApprovalRequest, "approvalId" | "reason">) =>
      refuseCall(await attested(by), asked, ports),
    offboard: (principalId: string, order: { readonly barAhead: boolean; readonly by: Actor }) =>
      offboard(principalId, order, ports),
    readmit: (principalId: string, by: Actor) => readmit(principalId, by, ports),
    erase: (principalId: string, by: Actor) => erase(principalId, by, ports),
    acceptRestore: () => acceptRestore("restored", OPERATOR, { ...ports, suspensions, trustHead: store.trustHead }),
    /** Ends it as a process ends: what it had only in mind is not brought to its end. */
    stop(): void {
      for (const end of closers.splice(0).reverse()) void end();
    },
  };
}
