import type { Channel } from "@grpc/grpc-js";
import { formatProcess, type ProcessIdentity, sameProcess } from "../domain/process.ts";
import { Nodes } from "../gen/stint/v1/nodes_pb.js";
import type { Cancel } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { backoff } from "../sdk/runtime/backoff.ts";
import { callErrorOf } from "../wire/call-error.ts";
import { createClient } from "../wire/client.ts";
import { nodeFactsMessageOf, nodeProcessMessageOf, processOfNodeMessage } from "../wire/node-message.ts";
import { factsOf, type LocalCallerPorts } from "./local-caller.ts";
import { AGAIN_AFTER, type Upstream } from "./upstream.ts";

export type AttendPorts = Pick<LocalCallerPorts, "watch" | "kinship"> & {
  readonly upstream: Upstream;
  /** This process: processes of its boot and its PID namespace are those that the node can tell of. */
  readonly own: ProcessIdentity;
  readonly log: Pick<Log, "info" | "recurring">;
  /** Resolves after this many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
};

export type Attending = {
  /** Whether the broker serves the machine's processes. */
  isAttended(): boolean;
  /** Resolves when the broker is there, again or for the first time. */
  attended(): Promise<void>;
  close(): void;
};

/** Below the size that a request may have. */
const ALIVE_PER_MESSAGE = 2_000;

/**
 * Tells the broker which processes live here, and when those end that it asks about, for as long as the node runs. With each
 * new connection another stream takes the place of the last, which the broker ends then.
 */
export function keepAttending(ports: AttendPorts): Attending {
  const { upstream, log, pause } = ports;
  const closed = new AbortController();
  let standing = 0;
  let isTold = false;
  let replaced = Promise.withResolvers<void>();
  let attended = Promise.withResolvers<void>();

  upstream.onReplaced(() => {
    replaced.resolve();
    replaced = Promise.withResolvers();
  });

  function began(): void {
    standing += 1;
    attended.resolve();
    if (!isTold) log.info("attended by the broker");
    isTold = true;
  }

  function ended(wasAttended: boolean, thrown: unknown): void {
    if (wasAttended) standing -= 1;
    if (standing > 0 || closed.signal.aborted) return;
    if (wasAttended) attended = Promise.withResolvers();
    isTold = false;
    log.recurring("the broker can't be reached", { why: whyOf(thrown) });
  }

  async function follow(): Promise<void> {
    const pauses = backoff(AGAIN_AFTER);
    while (!closed.signal.aborted) {
      let wasAttended = false;
      try {
        const channel = await upstream.channel();
        const next = replaced.promise;
        const over = attendOn(channel, ports, closed.signal, () => {
          wasAttended = true;
          pauses.reset();
          began();
        });
        const end = over.then(
          () => ended(wasAttended, undefined),
          (thrown: unknown) => ended(wasAttended, thrown),
        );
        // By a newer connection at once: the stream goes on until the broker has the next.
        if ((await Promise.race([end.then(() => "ended"), next.then(() => "replaced")])) === "replaced") continue;
      } catch (thrown) {
        ended(false, thrown);
      }
      await pause(pauses.next());
    }
  }

  void follow();
  return {
    isAttended: () => standing > 0,
    attended: () => attended.promise,
    close: () => closed.abort(),
  };
}

async function attendOn(
  channel: Channel,
  { watch, kinship, own }: AttendPorts,
  signal: AbortSignal,
  began: () => void,
): Promise<void> {
  const call = createClient(Nodes, channel, { securityHeader: "broker.spiffe.io" }).attend({ signal });
  const watches = new Map<string, Cancel>();
  const { bootId, pidNamespace } = own;
  call.send({ message: { case: "machine", value: { bootId, pidNamespace } } });
  const alive = kinship.alive();
  for (let from = 0; from === 0 || from < alive.length; from += ALIVE_PER_MESSAGE) {
    const processes = alive.slice(from, from + ALIVE_PER_MESSAGE).map(nodeProcessMessageOf);
    const last = from + ALIVE_PER_MESSAGE >= alive.length;
    call.send({ message: { case: "alive", value: { processes, last } } });
  }

  function start(process: ProcessIdentity): void {
    const name = formatProcess(process);
    watches.get(name)?.();
    const gone = () => {
      watches.delete(name);
      call.send({ message: { case: "gone", value: nodeProcessMessageOf(process) } });
    };
    watches.set(name, watch.watch(process, gone));
    const found = watch.find(process.pid);
    if (found === undefined || !sameProcess(found.process, process)) return;
    call.send({ message: { case: "watched", value: nodeFactsMessageOf(factsOf(found, kinship)) } });
  }

  try {
    for await (const { message } of call.responses) {
      if (message.case === "attended") began();
      else if (message.case === "watch") start(processOfNodeMessage(message.value, own, "watch"));
      else if (message.case === "unwatch") {
        const name = formatProcess(processOfNodeMessage(message.value, own, "unwatch"));
        watches.get(name)?.();
        watches.delete(name);
      }
    }
  } finally {
    for (const end of watches.values()) end();
  }
}

function whyOf(thrown: unknown): string {
  if (thrown === undefined) return "the broker ended the stream";
  if (thrown instanceof Error && "reason" in thrown) return `${String(thrown.reason)}: ${thrown.message}`;
  const { info, codeName, message } = callErrorOf(thrown);
  return `${info?.reason ?? codeName}: ${message}`;
}
