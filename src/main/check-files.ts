import { access, constants } from "node:fs/promises";
import { openCheckpointFile } from "../adapters/checkpoint-file/checkpoint-file.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { systemRandomness } from "../adapters/system/system-randomness.ts";
import type { Config, HttpListenerConfig } from "../config/config.ts";
import type { OpaConfig } from "../config/external-policy-section.ts";
import type { Clock } from "../ports/clock.ts";
import { serverTrustOf } from "../sdk/runtime/attestation-trust.ts";
import { checkInForce } from "./certificate-life.ts";
import { signInFiles } from "./console-sign-in.ts";
import { evidenceFiles } from "./evidence-attestors.ts";
import { exchangeFiles } from "./exchanges.ts";
import { opaFiles } from "./external-policy.ts";
import { natsFiles } from "./fan-out.ts";
import { webRootFiles } from "./federation.ts";
import { readPin, upstreamFiles } from "./open-signer.ts";
import { checkDeclared } from "./policies.ts";
import { principalTokenFiles } from "./principal-tokens.ts";
import { serverCertificate } from "./server-certificate.ts";
import { eventRootFiles, securityEventFiles } from "./signals.ts";
import { headersIn } from "./tracing.ts";

/** A file that a setting names, looked at as a start looks at it. */
export type FileCheck = {
  /** Of the setting. */
  readonly key: string;
  /** Whether the broker starts all the same. */
  readonly isOptional?: boolean;
  /** Whether the file is for the daemon's user alone: nobody else can tell whether the daemon may read it. */
  readonly isPrivate?: boolean;
  /** Rejects with what is wrong. */
  check(): Promise<unknown>;
};

/** The files that a configuration names, in its order. */
export function fileChecks(config: Config): readonly FileCheck[] {
  const { keyManager, attestation, federation } = config;
  const ports = { clock: systemClock(), random: systemRandomness(), randomness: systemRandomness() };
  const checks: FileCheck[] = [
    ...certificateOf("http.tls", config.http?.tls, ports.clock),
    ...certificateOf("operations.tls", config.operations?.tls, ports.clock),
    ...certificateOf("attestation.tls", attestation?.tls, ports.clock),
  ];
  if (attestation !== undefined) {
    for (const { setting, read } of Object.values(evidenceFiles(attestation, ports))) {
      checks.push({ key: setting, check: read });
    }
  }
  const signIn = config.console?.signIn;
  if (signIn !== undefined) {
    const { setting, paths, read } = signInFiles(signIn, ports.clock);
    if (paths.length > 0) checks.push({ key: setting, isPrivate: true, check: read });
  }
  if (keyManager.kind === "pkcs11") {
    checks.push(
      { key: "key_manager.pkcs11.module", check: () => access(keyManager.module, constants.R_OK) },
      { key: "key_manager.pkcs11.pin_file", isPrivate: true, check: () => readPin(keyManager.pinFile) },
    );
  }
  const upstream = upstreamFiles(config, ports);
  if (upstream !== undefined) {
    checks.push({ key: `${upstream.setting}.certificate`, isPrivate: true, check: upstream.read });
  }
  const ofPrincipals = principalTokenFiles(config.principals, ports.clock);
  if (ofPrincipals !== undefined) checks.push({ key: ofPrincipals.setting, check: ofPrincipals.read });
  const { checkpointCopy } = config.ledger;
  if (checkpointCopy !== undefined) {
    const check = () => openCheckpointFile(checkpointCopy).load();
    checks.push({ key: "ledger.checkpoint_copy", isPrivate: true, check });
  }
  checks.push({ key: "policies.directory", check: () => checkDeclared(config.policies) });
  if (config.policies.external !== undefined) checks.push(...opaChecks(config.policies.external.opa));
  for (const { setting, paths, read } of config.exchanges.map(exchangeFiles)) {
    if (paths.length > 0) checks.push({ key: setting, isPrivate: true, check: read });
  }
  const headersFile = config.tracing?.headersFile;
  if (headersFile !== undefined) {
    checks.push({ key: "tracing.headers_file", isPrivate: true, check: () => headersIn(headersFile) });
  }
  const { webRoots } = federation;
  if (webRoots !== undefined) {
    const { setting, read } = webRootFiles(webRoots);
    checks.push({ key: setting, isOptional: true, check: read });
  }
  if (config.ssf.roots !== undefined) {
    const { setting, read } = eventRootFiles(config.ssf.roots);
    checks.push({ key: setting, check: read });
  }
  if (config.nats !== undefined) {
    const { setting, paths, read } = natsFiles(config.nats);
    if (paths.length > 0) checks.push({ key: setting, isPrivate: true, check: read });
  }
  if (config.standby !== undefined) {
    const { bundle: bundleFile, ...identity } = config.standby;
    // A broker that runs does not look at them.
    const ofIdentity = certificateOf("standby.identity", identity, ports.clock);
    checks.push(...ofIdentity.map((check) => ({ ...check, isOptional: true })), {
      ...{ key: "standby.bundle", isOptional: true },
      check: () => serverTrustOf({ trustDomain: config.trustDomain, bundleFile }, undefined),
    });
  }
  const ofEvents = securityEventFiles(config.ssf.receive, ports.clock);
  if (ofEvents !== undefined) checks.push({ key: ofEvents.setting, check: ofEvents.read });
  return checks;
}

/** What is private among the files keeps all of them from whoever is not the daemon's user. */
function opaChecks(opa: OpaConfig): readonly FileCheck[] {
  const { setting, paths, read } = opaFiles(opa);
  return paths.length === 0 ? [] : [{ key: setting, isPrivate: true, check: read }];
}

/** A start shows a certificate that is not valid now all the same, and says so: who comes over the sockets needs none. */
function certificateOf(
  setting: string,
  tls: HttpListenerConfig["tls"],
  clock: Pick<Clock, "now">,
): readonly FileCheck[] {
  if (tls === undefined || tls === "own-svid") return [];
  const { read } = serverCertificate(setting, tls);
  return [{ key: `${setting}.certificate`, check: async () => checkInForce(await read(), clock.now()) }];
}
