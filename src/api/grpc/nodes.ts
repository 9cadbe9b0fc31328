import type { ServerDuplexStream } from "@grpc/grpc-js";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { type NodeName, nodeNameOf } from "../../domain/node-name.ts";
import { type ProcessIdentity, processOfNode } from "../../domain/process.ts";
import { isOfKind } from "../../domain/registration-entry.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Nodes, NodesAttendRequest, NodesAttendRequest_Alive } from "../../gen/stint/v1/nodes_pb.js";
import type { NodeLink, Nodes as NodesPort } from "../../ports/nodes.ts";
import {
  factsOfNodeMessage,
  machineOfMessage,
  type NodeMachine,
  nodeProcessMessageOf,
  processOfNodeMessage,
} from "../../wire/node-message.ts";
import type { HandlersOf, Received } from "../../wire/service-definition.ts";
import { receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { begin, type Call, type Endpoint } from "./call.ts";
import { type NodeStreamPorts, streamSvidsHandler } from "./node-streams.ts";

export type NodesPorts = NodeStreamPorts & {
  readonly nodes: NodesPort;
  /** Takes up what is recorded of processes that live on a node's machine. */
  readonly appeared: (processes: readonly ProcessIdentity[]) => Promise<void>;
};

/** What the agents of machines without a broker ask for, themselves and for the processes there. */
export function nodesHandlers(endpoint: Endpoint, ports: NodesPorts): HandlersOf<typeof Nodes> {
  return {
    attend: (call) => attend(call as unknown as AttendCall, endpoint, ports),
    streamSvids: streamSvidsHandler(endpoint, ports),
  };
}

type AttendCall = ServerDuplexStream<Received<NodesAttendRequest>, unknown> & Call;

function attend(call: AttendCall, endpoint: Endpoint, ports: NodesPorts): void {
  const begun = begin(endpoint, "Nodes.Attend", call);
  const over = Promise.withResolvers<void>();
  let machine: NodeMachine | undefined;
  let node: NodeName | undefined;
  let attendance: ReturnType<NodesPort["attend"]> | undefined;
  let isOver = false;

  function finish(): void {
    if (isOver) return;
    isOver = true;
    attendance?.end();
    if (attendance !== undefined && node !== undefined && !ports.nodes.attended().includes(node)) {
      endpoint.log.info("a node is away", { node });
    }
    over.resolve();
  }
  function fail(thrown: unknown): void {
    if (isOver) return;
    finish();
    call.emit("error", serviceErrorOf(thrown));
  }

  async function take({ message }: NodesAttendRequest): Promise<void> {
    if (message.case === "machine") {
      if (machine !== undefined) throw invalidField("message", "one machine, first");
      machine = machineOfMessage(message.value);
      node = nodeOf(await begun.attested());
      return;
    }
    if (machine === undefined || node === undefined) throw invalidField("message", "a machine first");
    const here = { node, machine };
    if (message.case === "alive") await appear(message.value, here);
    else if (attendance === undefined) throw invalidField("message", "what is alive, before anything of it");
    else if (message.case === "watched") attendance.seen(factsOfNodeMessage(message.value, machine, "watched"));
    else if (message.case === "gone") attendance.gone(processOfNodeMessage(message.value, machine, "gone"));
    else throw invalidField("message", "machine, alive, watched or gone");
  }

  async function appear(
    { processes, last }: NodesAttendRequest_Alive,
    { node: name, machine: its }: Here,
  ): Promise<void> {
    if (attendance !== undefined) throw invalidField("alive", "none after the last");
    await ports.appeared(processes.map((one) => processOfNode(name, processOfNodeMessage(one, its, "alive"))));
    // The node may have gone meanwhile.
    if (!last || isOver) return;
    call.write({ message: { case: "attended", value: {} } });
    attendance = ports.nodes.attend(name, linkTo(its));
    endpoint.log.info("a node is attended", { node: name });
  }

  function linkTo(its: NodeMachine): NodeLink {
    const isThere = ({ bootId, pidNamespace }: ProcessIdentity) =>
      bootId === its.bootId && pidNamespace === its.pidNamespace;
    return {
      watch(process) {
        if (isThere(process)) call.write({ message: { case: "watch", value: nodeProcessMessageOf(process) } });
        // After a restart of the machine: what ran before it has ended. Not before there is somebody to be told.
        else setImmediate(() => attendance?.gone(process));
      },
      unwatch(process) {
        if (isThere(process)) call.write({ message: { case: "unwatch", value: nodeProcessMessageOf(process) } });
      },
      replaced: () => fail(new BrokerError("NOT_SERVING", "the node is attended by another stream, or let go")),
    };
  }

  let turn = Promise.resolve();
  call.on("data", (received: Received<NodesAttendRequest>) => {
    turn = turn.then(() => (isOver ? undefined : take(receivedMessage(received)))).catch(fail);
  });
  call.once("end", () => {
    finish();
    call.end();
  });
  call.once("cancelled", finish);
  begun.run(() => over.promise).catch(fail);
}

type Here = { readonly node: NodeName; readonly machine: NodeMachine };

/** @throws BrokerError NOT_ENTITLED for whoever is no node, and for a process behind one */
function nodeOf({ entries, machine }: Attested): NodeName {
  const entry = entries.find((one) => isOfKind(one, "node"));
  if (entry === undefined) throw new BrokerError("NOT_ENTITLED", "only for the agent of a node");
  return nodeNameOf(entry.content.name, machine);
}
