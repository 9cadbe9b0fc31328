import { attestRuntime } from "../../src/sdk/runtime/attest-runtime.ts";
import type { AttestationEvidence } from "../../src/sdk/runtime/attestation-options.ts";
import { serverTrustOf } from "../../src/sdk/runtime/attestation-trust.ts";
import { type Caller, callerWith } from "../conformance/broker-scene.ts";
import type { Daemon } from "../daemon.ts";
import type { Operator } from "./operator.ts";

/** Settings of a daemon whose operators may be elsewhere. */
export const REMOTE_ENDPOINTS = {
  broker: { listen: "127.0.0.1:0" },
  attestation: { listen: "127.0.0.1:0", own_svid: true },
} as const;

/**
 * Whoever shows this evidence elsewhere, on the broker endpoint: known by its X.509-SVID alone.
 *
 * @param entry - `kind/name`; needed where the evidence matches several entries.
 */
export async function callerFrom(daemon: Daemon, evidence: AttestationEvidence, entry?: string): Promise<Caller> {
  const port = Number(daemon.log.find(({ msg }) => msg === "serving")?.["attestationPort"]);
  const bundle = await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text();
  const trust = { trustDomain: "example.org", bundle };
  const options = { address: `127.0.0.1:${port}`, trust, evidence, entry };
  const signal = AbortSignal.timeout(20_000);
  const { identity } = await attestRuntime(options, await serverTrustOf(trust, undefined), signal);
  const { certificateChain: certificate, privateKey: key, authorities: roots } = identity;
  return callerWith(daemon, { spiffeId: "", certificate, key, roots }, "tcp");
}

/**
 * An operator elsewhere, whom a join token has given its identity.
 *
 * @param name - of the join token, which the operator's entry selects by.
 */
export async function remoteOperator(
  daemon: Daemon,
  { joinTokens }: Pick<Operator, "joinTokens">,
  name: string,
): Promise<Caller> {
  return callerFrom(daemon, { joinToken: (await joinTokens.create({ name })).token });
}
