import { jwtEs256Format } from "../adapters/jwt-es256/jwt-es256.ts";
import { witEs256Format } from "../adapters/jwt-es256/wit-es256.ts";
import { createCeilingPolicy } from "../adapters/policy-ceiling/policy-ceiling.ts";
import { systemKeyPairs } from "../adapters/system/system-key-pairs.ts";
import { x509DerFormat } from "../adapters/x509-der/x509-der.ts";
import type { ApiPorts } from "../api/grpc/servers.ts";
import { acceptRestore } from "../authority/accept-restore.ts";
import type { Config } from "../config/config.ts";
import { readCertificate } from "../domain/certificate.ts";
import type { Actor } from "../domain/ledger-event.ts";
import { trustDomainId } from "../domain/spiffe-id.ts";
import { tokenSizeCheck } from "../open/token-size.ts";
import { followFederating } from "../registry/federating.ts";
import type { Core } from "./core.ts";

/** Everything that the handlers of the API stand on. */
export function apiPortsOf(core: Core, config: Config): ApiPorts {
  const { trustDomain, issuer } = config;
  const { store, unix, authorities, suspensions, lifetimes, registry, clock, random, rate } = core;
  const { ledger, steps, feed, history } = store;
  return {
    ledger,
    steps,
    feed,
    history,
    entries: core.entries,
    registry,
    authorities,
    federation: core.federation,
    federated: core.federation,
    onFederatingChange: followFederating(core.entries, core.federation),
    ownBundle: core.bundle,
    signer: core.signer,
    receipts: core.receipts,
    notifier: core.notifier,
    lifetimes,
    stepDirectory: lifetimes,
    executorSteps: lifetimes,
    denials: core.denials,
    rate,
    seal: core.seal,
    clock,
    random,
    gate: suspensions,
    policy: createCeilingPolicy(),
    processes: unix.watch,
    formats: { "x509-svid": x509DerFormat(), "jwt-svid": jwtEs256Format(issuer), "wit-svid": witEs256Format() },
    checkTokenSize: tokenSizeCheck(issuer, authorities),
    opened(step, superseded) {
      if (superseded !== undefined) lifetimes.closed(superseded);
      lifetimes.opened(step);
      lifetimes.follow(step.stepId, () => rate.forget(step.stepId));
    },
    closed: (result) => lifetimes.closed(result),
    disableEntry: (entryId, by) => registry.disable(entryId, by),
    watchersMax: config.limits.watchers,
    names: {
      issuer,
      caNameOf: (authorityId) => {
        const certificate = authorities.byId(authorityId)?.certificate;
        return certificate === undefined ? undefined : readCertificate(certificate).subject;
      },
    },
    bundle: () => ({
      case: "bundle",
      value: {
        trustDomain: trustDomainId(trustDomain),
        jwks: Buffer.from(JSON.stringify(core.bundle())),
        issuer,
        development: config.development,
      },
    }),
    onBundleChange: core.onBundleChange,
    onEntriesChange: core.entries.onChange,
    followStep: lifetimes.follow,
    brokerCallers: config.broker?.callers ?? new Map(),
    crls: () => (config.workload.crlOnStreams ? core.crls.current().map(({ der }) => der) : []),
    onCrlChange: (changed) => (config.workload.crlOnStreams ? core.crls.onChange(changed) : () => undefined),
    keyPairs: systemKeyPairs(),
    credentials: store.credentials,
    joinTokens: store.registry.joinTokens,
    trustDomain,
    issuer,
    witSvid: config.witSvid,
    rolledBack: (why) => suspensions.suspend("rollback", why),
    suspendedBecause: () => suspensions.reasons(),
    acceptRestore: (reason: string, by: Actor) =>
      acceptRestore(reason, by, {
        ledger,
        clock,
        random,
        authorities,
        suspensions,
        stepsClosed: lifetimes.recheck,
        trustHead: store.trustHead,
      }),
    async confirmClock(by: Actor) {
      const departed = clock.skewSeconds();
      clock.anchor();
      suspensions.lift("clock");
      lifetimes.clockChanged(departed);
      const now = clock.now();
      const what = { operation: "confirm-clock", target: "clock", reason: `${departed.toFixed(3)} s` };
      await ledger.perform({ act: "record-operation", ...what, by, now });
      return departed;
    },
  };
}
