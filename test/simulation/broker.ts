import { jwtEs256Format } from "../../src/adapters/jwt-es256/jwt-es256.ts";
import { witEs256Format } from "../../src/adapters/jwt-es256/wit-es256.ts";
import type { OpenedLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { createCeilingPolicy } from "../../src/adapters/policy-ceiling/policy-ceiling.ts";
import type { VirtualClock } from "../../src/adapters/system/virtual-clock.ts";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import { attest } from "../../src/attest/attest.ts";
import { acceptRestore } from "../../src/authority/accept-restore.ts";
import { createAuthorities } from "../../src/authority/authorities.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { type CloseRequest, closeStep } from "../../src/close/close-step.ts";
import { createLifetimes } from "../../src/close/lifetimes.ts";
import { createNotifier } from "../../src/close/notify.ts";
import { keepReceiptJournal } from "../../src/close/receipt-journal.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { type RevocationTarget, revoke } from "../../src/close/revoke.ts";
import { createDenialRecorder } from "../../src/decide/record-denial.ts";
import { visibleTo } from "../../src/decide/step-access.ts";
import { errorOf, isDenial } from "../../src/domain/errors.ts";
import type { Actor } from "../../src/domain/ledger-event.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { SvidOrder } from "../../src/issue/entitle.ts";
import type { InfrastructureWanted } from "../../src/issue/entitle-infrastructure.ts";
import { createIssuanceRate } from "../../src/issue/issuance-rate.ts";
import { issueInfrastructureSvid } from "../../src/issue/issue-infrastructure-svid.ts";
import { issueSvids } from "../../src/issue/issue-svids.ts";
import { createOwnSvid } from "../../src/issue/own-svid.ts";
import { processIdentities } from "../../src/issue/process-identities.ts";
import { openSvidStream, type SvidSink, type SvidStreamPorts } from "../../src/issue/svid-stream.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import { openStep } from "../../src/open/open-step.ts";
import type { KeyPairs } from "../../src/ports/key-pairs.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { createEntryDirectory } from "../../src/registry/entry-directory.ts";
import { createRegistry } from "../../src/registry/registry.ts";
import type { Kernel, SimulatedProcess } from "./kernel.ts";

/** What outlives a broker: its store, its keys, and the world around it. */
export type Ground = {
  readonly store: OpenedLedger;
  readonly signer: Signer;
  readonly kernel: Kernel;
  readonly clock: VirtualClock;
  readonly random: Randomness;
  readonly failed: (error: unknown) => void;
};

export const TRUST_DOMAIN = parseTrustDomain("example.org");
export const ISSUER = "https://broker.example.org";
export const OPERATOR: Actor = { kind: "operator", entryId: "entry_operator", uid: 0 };

export type Broker = Awaited<ReturnType<typeof startBroker>>;

/** The real paths on this ground, wired as the composition root wires them, and the acts of its API. */
export async function startBroker(ground: Ground) {
  const { store, signer, kernel, clock, random, failed } = ground;
  const { ledger, steps, feed, history } = store;
  const suspensions = createSuspensions(clock);
  const entries = createEntryDirectory();
  for (const entry of await store.registry.entries()) entries.put(entry);
  const authorities = createAuthorities({
    ledger,
    reads: store.registry,
    signer,
    clock,
    lifetimeSeconds: { "x509-svid": 86_400, "jwt-svid": 86_400, "wit-svid": 86_400 },
    changed: () => undefined,
  });
  await authorities.start();
  const lifetimes = createLifetimes({ ledger, steps, processes: kernel.processes, clock, failed });
  const registry = createRegistry({
    ledger,
    steps,
    entries,
    trustDomain: TRUST_DOMAIN,
    clock,
    random,
    ownSelectors: undefined,
    stepsClosed: () => void lifetimes.recheck().catch(failed),
  });
  await registry.start();
  await lifetimes.start();
  const notifier = createNotifier({ ledger, feed, failed });
  const receipts = createReceiptBook({ entries, clock });
  const endJournal = keepReceiptJournal({ ledger, receipts, notifier, clock, failed });

  const ports = {
    ledger,
    steps,
    stepDirectory: lifetimes,
    feed,
    history,
    entries,
    authorities,
    signer,
    receipts,
    denials: createDenialRecorder({ ledger, clock, failed }),
    rate: createIssuanceRate(clock),
    clock,
    random,
    gate: suspensions,
    policy: createCeilingPolicy(),
    processes: kernel.processes,
    formats: { "x509-svid": x509DerFormat(), "jwt-svid": jwtEs256Format(ISSUER), "wit-svid": witEs256Format() },
    checkTokenSize: () => undefined,
    opened(
      step: Parameters<typeof lifetimes.opened>[0],
      superseded: Parameters<typeof lifetimes.closed>[0] | undefined,
    ) {
      if (superseded !== undefined) lifetimes.closed(superseded);
      lifetimes.opened(step);
    },
    closed: lifetimes.closed,
    disableEntry: (entryId: string, by: Actor) => registry.disable(entryId, by),
  };
  const attested = ({ peer }: SimulatedProcess) => attest(peer, { attestor: kernel.attestor, entries });

  return {
    ports,
    suspensions,
    registry,
    entries,
    authorities,
    notifier,
    lifetimes,
    receipts,
    isSuspended: () => suspensions.refusal() !== undefined,
    open: async (by: SimulatedProcess, request: OpenRequest) => openStep(await attested(by), request, ports),
    issue: async (by: SimulatedProcess, order: SvidOrder) => issueSvids(await attested(by), order, ports),
    issueInfrastructure: async (by: SimulatedProcess, wanted: InfrastructureWanted) =>
      issueInfrastructureSvid(await attested(by), wanted, ports),
    ownSvid: (keyPairs: KeyPairs) =>
      createOwnSvid({ ...ports, keyPairs, onBundleChange: () => () => undefined, failed }),
    /** A stream of SVIDs to a process, as the Workload API opens it. */
    stream(
      to: SimulatedProcess,
      kind: "x509-svid" | "wit-svid",
      sink: SvidSink,
      own: Pick<SvidStreamPorts, "keyPairs"> & Partial<typeof ports>,
    ) {
      const all = { ...ports, executorSteps: lifetimes, onEntriesChange: entries.onChange, ...own };
      return openSvidStream(
        processIdentities(
          () => attested(to),
          kind,
          () => true,
          all,
        ),
        sink,
        all,
      );
    },
    close: async (by: SimulatedProcess, request: CloseRequest) => closeStep(await attested(by), request, ports),
    revoke: (target: RevocationTarget) =>
      revoke(target, { reason: "privilegeWithdrawn", dryRun: false, by: OPERATOR }, ports),
    async renew(by: SimulatedProcess, stepId: string): Promise<void> {
      visibleTo(await attested(by), await steps.step(stepId));
      const renewed = await ledger.perform({ act: "renew-step", stepId, now: clock.now() });
      if (isDenial(renewed)) throw errorOf(renewed);
      lifetimes.renewed(renewed);
    },
    /** @returns what lets go of it again. */
    async hold(by: SimulatedProcess, stepId: string): Promise<() => void> {
      visibleTo(await attested(by), await steps.step(stepId));
      const held = await ledger.perform({ act: "hold-step", stepId, now: clock.now() });
      if (isDenial(held)) throw errorOf(held);
      return lifetimes.hold(stepId);
    },
    acceptRestore: () =>
      acceptRestore("restored", OPERATOR, {
        ledger,
        clock,
        random,
        authorities,
        suspensions,
        stepsClosed: lifetimes.recheck,
        trustHead: store.trustHead,
      }),
    stop(): void {
      lifetimes.stop();
      notifier.close();
      endJournal();
    },
  };
}
