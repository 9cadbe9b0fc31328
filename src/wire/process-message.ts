import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidField } from "../domain/errors.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type {
  Executor as ExecutorMessage,
  Process as ProcessMessage,
  ProcessSchema,
} from "../gen/stint/v1/types_pb.js";

export function processMessageOf(process: ProcessIdentity): MessageInitShape<typeof ProcessSchema> {
  return {
    bootId: process.bootId,
    pidNamespace: process.pidNamespace,
    pid: process.pid,
    startTimeTicks: BigInt(process.startTimeTicks),
  };
}

/**
 * A process as a request names it. A pid alone does not name a process for good; the receiver has to fill in the
 * members that are left out, or refuse.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function processOfMessage(
  message: ProcessMessage,
  field = "process",
): Partial<ProcessIdentity> & { pid: number } {
  if (message.pid === 0) throw invalidField(`${field}.pid`, "the pid of a process");
  if (message.startTimeTicks > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidField(`${field}.start_time_ticks`, "clock ticks since boot");
  }
  return {
    pid: message.pid,
    ...(message.bootId === "" ? {} : { bootId: message.bootId }),
    ...(message.pidNamespace === "" ? {} : { pidNamespace: message.pidNamespace }),
    ...(message.startTimeTicks === 0n ? {} : { startTimeTicks: Number(message.startTimeTicks) }),
  };
}

/** Which process is wanted as executor, before it was looked up. */
export type WantedExecutor =
  | { readonly kind: "self" }
  | { readonly kind: "pid"; readonly pid: number }
  | { readonly kind: "tree"; readonly pid?: number }
  | { readonly kind: "any" };

/**
 * The executor that a request asks for; absent is the opener itself.
 *
 * @throws BrokerError INVALID_FIELD for a kind this version does not know, and for pid 0
 */
export function executorOfMessage(message: ExecutorMessage | undefined, field = "executor"): WantedExecutor {
  if (message === undefined) return { kind: "self" };
  const { executor } = message;
  switch (executor.case) {
    case "self":
      return { kind: "self" };
    case "any":
      return { kind: "any" };
    case "pid":
      if (executor.value === 0) throw invalidField(`${field}.pid`, "the pid of a process");
      return { kind: "pid", pid: executor.value };
    case "tree":
      return { kind: "tree", ...(executor.value.pid === 0 ? {} : { pid: executor.value.pid }) };
    case undefined:
      throw invalidField(field, "self, pid, any or tree");
  }
}
