import { createCedarEngine } from "../adapters/policy-cedar/cedar-engine.ts";
import { policySchemaText } from "../adapters/policy-cedar/policy-files.ts";
import { systemKeyPairs } from "../adapters/system/system-key-pairs.ts";
import { createAdmission } from "../api/grpc/admission.ts";
import type { CredentialsPorts } from "../api/grpc/credentials.ts";
import type { PoliciesPorts } from "../api/grpc/policies.ts";
import type { RevocationsPorts } from "../api/grpc/revocations.ts";
import type { ApiPorts } from "../api/grpc/servers.ts";
import type { StepsPorts } from "../api/grpc/steps.ts";
import type { BundlePorts } from "../api/grpc/workload-api-bundles.ts";
import { prove } from "../audit/prove.ts";
import { acceptRestore } from "../authority/accept-restore.ts";
import { confirmClock } from "../authority/confirm-clock.ts";
import { createCallRate } from "../check/call-rate.ts";
import type { Config } from "../config/config.ts";
import { leewayBy } from "../domain/closure.ts";
import { LIMITS } from "../domain/limits.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import { trustDomainId } from "../domain/spiffe-id.ts";
import { txnTokenKeySet } from "../domain/txn-token-keys.ts";
import { tokenSizeCheck } from "../open/token-size.ts";
import { checkPortsOf } from "./check-ports.ts";
import type { Core } from "./core.ts";
import { readSent } from "./policies.ts";
import { svidFormats } from "./svid-formats.ts";
import { trustOf } from "./trust.ts";

/** What each service of the API needs. */
export function apiPortsOf(core: Core, config: Config): ApiPorts {
  const { authorities, clock, entries, principals, random, receipts, registry, machines } = core;
  const { ledger, steps, callApprovals, history, exports, credentials, registry: registryReads } = core.store;
  const issuing = issuingPortsOf(core, config);
  const bundles = bundlePortsOf(core, config);
  const streaming = { ...issuing, executorSteps: core.stepDirectory, onEntriesChange: entries.onChange };
  const keyPairs = systemKeyPairs();
  const { issuer, witSvid } = config;
  const ofWorkloads = { ...streaming, ...bundles, credentials, issuer, witSvid };
  const stepsPorts = stepsPortsOf(core, config, issuing);
  return {
    issuing,
    steps: stepsPorts,
    approvals: { ...stepsPorts, callApprovals, history },
    revocations: revocationsPortsOf(core, config),
    authorizations: checkPortsOf(core, config),
    history: {
      ...{ history, exports, steps, ledger, receipts, entries, principals, clock, processes: machines.watch },
      explainer: core.explainer,
      recordSigner: core.recordSigner,
    },
    entries: { registry, entries },
    ledger: {
      ...{
        ledger,
        clock,
        standbys: core.standbys,
        tree: core.store.tree,
        log: core.store.log,
        isShared: core.store.replicas !== undefined,
      },
      rolledBack: (why) => core.suspensions.suspend("rollback", why),
      checkpoints: core.checkpoints,
      verifyAll: core.store.verifyAll,
      backups: core.store.backups,
      suspendedBecause: core.suspensions.reasons,
      acceptRestore: (reason, by) => acceptRestore(reason, by, { ...core, ledger, trustHead: core.store.trustHead }),
    },
    authorities: {
      authorities,
      confirmClock: (by) => confirmClock(by, { ...core, ledger, clockChanged: core.lifetimes.clockChanged }),
    },
    federation: { federation: core.federation, trustDomain: config.trustDomain, ownBundle: core.bundle },
    principals: { ledger, history, principals, registryReads, clock, inForce: core.inForce },
    joinTokens: { ledger, joinTokens: registryReads.joinTokens, clock, random },
    risk: { ledger, risks: core.store.policies.risks, history, entries, reassessment: core.reassessment, clock },
    policies: policiesPortsOf(core, config),
    tools: {
      ledger,
      history,
      tools: core.store.tools,
      rate: createCallRate(clock),
      pinsFirst: config.pinsToolsAtFirstSight,
      inToolDirectory: core.inToolDirectory,
      clock,
    },
    retention: {
      ...{ ledger, retention: core.store.retention, rounds: core.retention },
      ...{ times: config.retention, principals, clock, random },
    },
    status: {
      trustDomain: config.trustDomain,
      readiness: core.readiness,
      ...{ ledger, clock },
      openSteps: core.openSteps,
      authorities,
      upstreamExpiresAt: () => core.upstream?.current().expiresAt,
      history: { receipts, entries, ledger },
      disk: core.store.disk,
      replicas: core.store.replicas,
      standbys: core.standbys,
    },
    workloadApi: { ...ofWorkloads, keyPairs },
    nodes: {
      workloadApi: ofWorkloads,
      nodes: machines.nodes,
      appeared: core.stepDirectory.appeared,
    },
    callers: {
      attestor: machines.attestor,
      entries,
      executorSteps: core.stepDirectory,
      stepProcesses: core.stepDirectory,
    },
    brokerApi: {
      ...streaming,
      ...bundles,
      keyPairs,
      steps,
      processes: machines.watch,
      followStep: core.stepDirectory.followStep,
      brokerCallers: config.broker?.callers ?? new Map(),
    },
  };
}

function policiesPortsOf(core: Core, { policies: { external } }: Config): PoliciesPorts {
  const { clock, engine, entries, policies, principals, stepDirectory } = core;
  const { sets, dataClasses, declaredVersion } = core.administeredPolicies;
  const { history, policies: reads, registry, steps } = core.store;
  const runtimeOf = (entryId: string) => {
    const entry = entries.byId(entryId);
    return entry !== undefined && isOfKind(entry, "runtime") ? entry.content.name : undefined;
  };
  const audiencesOf = (verifier: string) => {
    const entry = entries.byName("verifier", verifier);
    return entry !== undefined && isOfKind(entry, "verifier") ? entry.content.audiences : [];
  };
  // With the claims of their newest step: those of each step are sealed with it.
  const principalOf = async (principalId: string) => {
    const sealed = (await registry.principal(principalId))?.sealed;
    const known = sealed === undefined ? undefined : await principals.open({ principalId, sealed });
    return known === undefined ? undefined : { iss: known.iss, sub: known.sub, claims: known.claims };
  };
  // Where an engine elsewhere decides alone, what would be decided is its affair too; it is not closed by who asks once.
  const startEngine = external?.opa.insteadOfCedar
    ? () => ({ ...engine, close: async () => undefined })
    : createCedarEngine;
  return {
    sets,
    policies: reads,
    engine,
    readFiles: readSent,
    dataClasses,
    declaredVersion,
    schema: policySchemaText,
    clock,
    openSteps: { policies, steps, clock, principals, stepDirectory, startEngine },
    replay: { history, startEngine, runtimeOf, principalOf, audiencesOf },
  };
}

function issuingPortsOf(core: Core, { issuer }: Config): CredentialsPorts {
  const { statusIndexes } = core;
  const {
    authorities,
    clock,
    denials,
    entries,
    principals,
    random,
    rate,
    signer,
    stepDirectory,
    suspensions,
    machines,
  } = core;
  return {
    ...core.exchanges,
    replicas: core.store.replicas,
    ledger: core.store.ledger,
    stepDirectory,
    entries,
    authorities,
    processes: machines.watch,
    signer,
    formats: svidFormats(issuer),
    denials,
    stepProcesses: stepDirectory,
    principals,
    rate,
    gate: suspensions,
    clock,
    random,
    ...(statusIndexes === undefined ? {} : { statusIndexes }),
  };
}

function stepsPortsOf(core: Core, config: Config, issuing: CredentialsPorts): StepsPorts {
  const {
    authorities,
    entries,
    inDirectory,
    inForce,
    lifetimes,
    policies,
    receipts,
    retries,
    stepDirectory,
    machines,
  } = core;
  const { ledger, steps, history, credentials, registry: registryReads } = core.store;
  const { issuer, trustDomain, approvalSeconds } = config;
  const trust = trustOf(core, config);
  return {
    ...issuing,
    ...core.judgesPrincipals,
    principals: core.principals,
    registryReads,
    stepProcesses: stepDirectory,
    kinship: machines.kinship,
    ledger,
    steps: { ...steps, ...stepDirectory.runs },
    credentials,
    trustDomain,
    ownKeys: () => trust.bundles().jwt,
    stepDirectory,
    entries,
    processes: machines.watch,
    toolDirectory: core.toolDirectory,
    policies,
    engine: core.engine,
    retries,
    checkTokenSize: tokenSizeCheck(issuer, authorities, config.statusLists),
    approvalSeconds,
    inDirectory,
    inForce,
    lifetimes,
    replicas: core.store.replicas,
    feed: core.recentDenials,
    receipts,
    history,
    exchanges: core.exchanges.endings,
    leewayOf: leewayBy(config.leewaySeconds),
    proveEvent: (sequence) => prove({ sequence }, { tree: core.store.tree, checkpoints: core.checkpoints }),
    signStatement: core.checkpoints.statement,
  };
}

/**
 * After a restart every verifier comes at once. A turn of the event loop in which four of them begin takes some milliseconds
 * more, as long as ten credentials: so the broker issues on, and where nothing else is to be done the turns are short. 64 are
 * sent their deny-lists at a time; half a second is far more than one takes to whoever reads. A verifier takes a broker that
 * says nothing for ten seconds for one that hangs, and comes again by itself.
 */
const WATCHES_BEGIN = {
  atOnce: 64,
  perTurn: 4,
  waitingPerPartyMax: LIMITS.watchersMax,
  waitMsMax: 20_000,
  stayMsMax: 500,
};

function revocationsPortsOf(core: Core, config: Config): RevocationsPorts {
  const { authorities, clock, entries, inForce, notifier, receipts, registry, seal, suspensions, machines } = core;
  const { messages, denyList } = core;
  const { ledger, history, credentials } = core.store;
  const { issuer, trustDomain, development } = config;
  return {
    ledger,
    history,
    credentials,
    notifier,
    messages,
    confirmed: core.store.confirmed,
    denyList,
    receipts,
    entries,
    processes: machines.watch,
    principals: core.principals,
    clock,
    seal,
    inForce,
    disableEntry: registry.disable,
    watchersMax: config.limits.watchers,
    admission: createAdmission(WATCHES_BEGIN, "watchers", clock),
    bundle: () => {
      const jwks = Buffer.from(JSON.stringify(core.bundle()));
      const txnTokenJwks = Buffer.from(JSON.stringify(txnTokenKeySet(authorities.all())));
      return {
        case: "bundle",
        value: { trustDomain: trustDomainId(trustDomain), jwks, issuer, development, txnTokenJwks },
      };
    },
    onBundleChange: core.onBundleChange,
    federated: core.federation,
    onFederatingChange: core.onFederatingChange,
    rolledBack: (why) => suspensions.suspend("rollback", why),
  };
}

function bundlePortsOf(core: Core, config: Config): BundlePorts {
  const { authorities, crls, entries, federation, onBundleChange, onFederatingChange } = core;
  const { crlOnStreams } = config.workload;
  return {
    trustDomain: config.trustDomain,
    authorities,
    entries,
    federated: federation,
    onBundleChange,
    onFederatingChange,
    onEntriesChange: entries.onChange,
    crls: () => (crlOnStreams ? crls.current().map(({ der }) => der) : []),
    onCrlChange: (changed) => (crlOnStreams ? crls.onChange(changed) : () => undefined),
  };
}
