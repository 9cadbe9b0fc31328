import { fromBinary } from "@bufbuild/protobuf";
import { BrokerError } from "../domain/errors.ts";
import type { NodeFacts, NodeReport } from "../domain/node-report.ts";
import { sameProcess } from "../domain/process.ts";
import { EnrollRequestSchema, OpenRequestSchema, Steps } from "../gen/stint/v1/steps_pb.js";
import type { Attestor, Evidence, Peer, ProcessWatch } from "../ports/attestor.ts";
import type { Kinship } from "../ports/kinship.ts";
import { methodDefinitionOf } from "../wire/service-definition.ts";

export type LocalCallerPorts = {
  readonly attestor: Attestor;
  readonly watch: Pick<ProcessWatch, "watch"> & { find(pid: number): ReturnType<ProcessWatch["find"]> };
  readonly kinship: Kinship;
  /** The node's own user, whose processes could take its keys; absent in development, where everything is one user's. */
  readonly ownUid: number | undefined;
};

/** All that the broker is told of a caller. The broker knows the entries, so that nothing is left out that one may name. */
const ALL = { executableDigest: true, systemdUnit: true } as const;

/**
 * What there is to tell of the process at a connection's other end, as it is now.
 *
 * @param named - the pid that the caller's request names.
 * @throws BrokerError NO_IDENTITY
 */
export async function reportOf(
  peer: Peer,
  named: number | undefined,
  { attestor, watch, kinship, ownUid }: LocalCallerPorts,
): Promise<NodeReport> {
  const evidence = await attestor.attest(peer, ALL);
  if (evidence.uid === ownUid) {
    throw new BrokerError("NO_IDENTITY", "the calling process is the node's own user's, which could take its keys");
  }
  const { sharesPids, executable, unavailable } = evidence;
  const pid = sharesPids ? named : undefined;
  const found = pid === undefined ? undefined : watch.find(pid);
  return {
    caller: factsOf(evidence, kinship),
    sharesPids,
    unavailable,
    ancestors: evidence.ancestors(),
    ...(executable === undefined ? {} : { executable }),
    ...(found === undefined ? {} : { named: factsOf(found, kinship) }),
    ...(pid === undefined || found !== undefined ? {} : { namedGone: pid }),
  };
}

export function factsOf(
  { process, uid, selectors }: Pick<Evidence, "process" | "uid" | "selectors">,
  kinship: Pick<Kinship, "lineageOf" | "placeOf">,
): NodeFacts {
  const place = kinship.placeOf(process);
  return { process, uid, selectors, lineage: kinship.lineageOf(process), ...(place === undefined ? {} : { place }) };
}

/** Whether a process is still what was told of it. */
export function isUnchanged(before: NodeReport, after: NodeReport): boolean {
  const [a, b] = [before.caller, after.caller];
  return (
    sameProcess(a.process, b.process) &&
    a.selectors.size === b.selectors.size &&
    [...a.selectors].every((one) => b.selectors.has(one))
  );
}

const { path: OPEN } = methodDefinitionOf(Steps.method.open);
const { path: ENROLL } = methodDefinitionOf(Steps.method.enroll);

/** The pid that a request names; `undefined` where it names none, or where it is no request. */
export function namedIn(path: string, message: Uint8Array): number | undefined {
  try {
    if (path === ENROLL) return fromBinary(EnrollRequestSchema, message).pid;
    if (path !== OPEN) return undefined;
    const executor = fromBinary(OpenRequestSchema, message).executor?.executor;
    if (executor?.case === "pid") return executor.value;
    return executor?.case === "tree" && executor.value.pid > 0 ? executor.value.pid : undefined;
  } catch {
    // The broker says what is wrong with it.
    return undefined;
  }
}
