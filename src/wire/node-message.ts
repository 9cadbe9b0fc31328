import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Link, Place } from "../domain/descent.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import type { NodeFacts, NodeReport } from "../domain/node-report.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import { type Selector, selectorIfNameable, typeOf } from "../domain/selector.ts";
import {
  type NodesAttendRequest_Machine as MachineMessage,
  type NodeCaller,
  NodeCallerSchema,
  type NodeFacts as NodeFactsMessage,
  type NodeFactsSchema,
  type NodeProcess as NodeProcessMessage,
  type NodeProcessSchema,
  type NodeFacts_Place as PlaceMessage,
} from "../gen/stint/v1/nodes_pb.js";

/** Metadata in which a node says who calls. */
export const NODE_CALLER_KEY = "stint-node-caller-bin";

/** One boot of one machine, and the PID namespace of the node on it. */
export type NodeMachine = Pick<ProcessIdentity, "bootId" | "pidNamespace">;

/** As the kernel writes it. A node's own name is put before it, and must not be mistaken for a part of it. */
const BOOT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PID_NAMESPACE = /^[1-9][0-9]{0,19}$/;
/** Longer than any chain of parents that an attestor follows. */
const LIST_MAX = 128;

export function nodeProcessMessageOf({
  pid,
  startTimeTicks,
}: Pick<ProcessIdentity, "pid" | "startTimeTicks">): MessageInitShape<typeof NodeProcessSchema> {
  return { pid, startTimeTicks: BigInt(startTimeTicks) };
}

/** @throws BrokerError INVALID_FIELD */
export function processOfNodeMessage(
  message: NodeProcessMessage | undefined,
  machine: NodeMachine,
  field: string,
): ProcessIdentity {
  if (message === undefined || message.pid === 0 || message.startTimeTicks > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidField(field, "a pid and the clock ticks since boot at which it started");
  }
  return { ...machine, pid: message.pid, startTimeTicks: Number(message.startTimeTicks) };
}

/** @throws BrokerError INVALID_FIELD */
export function machineOfMessage({
  bootId,
  pidNamespace,
}: Pick<MachineMessage, "bootId" | "pidNamespace">): NodeMachine {
  if (!BOOT_ID.test(bootId)) throw invalidField("boot_id", "a boot id as the kernel writes it");
  if (!PID_NAMESPACE.test(pidNamespace)) throw invalidField("pid_namespace", "the number of a PID namespace");
  return { bootId, pidNamespace };
}

/** Who calls, as metadata of the call. */
export function encodeNodeReport(report: NodeReport): Buffer {
  const { bootId, pidNamespace } = report.caller.process;
  const message = create(NodeCallerSchema, {
    bootId,
    pidNamespace,
    caller: nodeFactsMessageOf(report.caller),
    sharesPids: report.sharesPids,
    unavailable: report.unavailable.map(({ kind, reason }) => ({ kind, reason })),
    executable: report.executable ?? "",
    ancestors: report.ancestors.map(nodeProcessMessageOf),
    ...(report.named === undefined ? {} : { named: nodeFactsMessageOf(report.named) }),
    namedGone: report.namedGone ?? 0,
  });
  return Buffer.from(toBinary(NodeCallerSchema, message));
}

export function nodeFactsMessageOf({
  process,
  uid,
  selectors,
  lineage,
  place,
}: NodeFacts): MessageInitShape<typeof NodeFactsSchema> {
  const chain = lineage.kind === "untold" ? [] : lineage.chain;
  return {
    process: nodeProcessMessageOf(process),
    uid,
    selectors: [...selectors],
    lineage: chain.map((link) => ({
      process: nodeProcessMessageOf(link.process),
      ...(link.orphanIn === undefined ? {} : { orphanIn: { ...link.orphanIn } }),
    })),
    ...(place === undefined ? {} : { place: { ...place } }),
  };
}

/** @throws BrokerError INVALID_FIELD */
export function decodeNodeReport(bytes: Uint8Array): NodeReport {
  const message = callerIn(bytes);
  const machine = machineOfMessage(message);
  const { sharesPids, executable, ancestors, unavailable, named, namedGone } = message;
  if (ancestors.length > LIST_MAX) throw invalidField("ancestors", `at most ${LIST_MAX}`);
  return {
    caller: factsOfNodeMessage(message.caller, machine, "caller"),
    sharesPids,
    unavailable: unavailable.slice(0, LIST_MAX).map(({ kind, reason }) => ({ kind, reason })),
    ancestors: ancestors.map((one) => processOfNodeMessage(one, machine, "ancestors")),
    ...(executable === "" ? {} : { executable }),
    ...(named === undefined ? {} : { named: factsOfNodeMessage(named, machine, "named") }),
    ...(namedGone === 0 ? {} : { namedGone }),
  };
}

function callerIn(bytes: Uint8Array): NodeCaller {
  try {
    return fromBinary(NodeCallerSchema, bytes, { readUnknownFields: false });
  } catch (thrown) {
    const refusal = invalidField(NODE_CALLER_KEY, "a well-formed stint.v1.NodeCaller");
    throw new BrokerError(refusal.code, refusal.message, { metadata: refusal.metadata, cause: thrown });
  }
}

/** @throws BrokerError INVALID_FIELD */
export function factsOfNodeMessage(
  message: NodeFactsMessage | undefined,
  machine: NodeMachine,
  field: string,
): NodeFacts {
  if (message === undefined) throw invalidField(field, "a process");
  const { process, uid, selectors, lineage, place } = message;
  if (selectors.length > LIST_MAX || lineage.length > LIST_MAX)
    throw invalidField(field, `lists of at most ${LIST_MAX}`);
  const chain = lineage.map((link): Link => {
    const one = processOfNodeMessage(link.process, machine, `${field}.lineage`);
    return link.orphanIn === undefined ? { process: one } : { process: one, orphanIn: placeOf(link.orphanIn) };
  });
  return {
    process: processOfNodeMessage(process, machine, `${field}.process`),
    uid,
    selectors: new Set(selectors.filter(isVouchedFor)),
    lineage: chain.length === 0 ? { kind: "untold" } : { kind: "lineage", chain },
    ...(place === undefined ? {} : { place: placeOf(place) }),
  };
}

/**
 * What a node may vouch for: facts of a process, and nothing that evidence or the broker itself says. Others are left out, as
 * are those of a kind that only a newer node knows: no entry could name them.
 */
function isVouchedFor(text: string): text is Selector {
  const separator = text.indexOf(":", text.indexOf(":") + 1);
  const known = selectorIfNameable(text.slice(0, separator), text.slice(separator + 1));
  return known !== undefined && ["unix", "systemd"].includes(typeOf(known));
}

function placeOf({ session, controlGroup }: PlaceMessage): Place {
  return { ...(session === undefined ? {} : { session }), ...(controlGroup === undefined ? {} : { controlGroup }) };
}
