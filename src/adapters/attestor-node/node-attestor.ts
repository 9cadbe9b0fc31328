import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { NodeName } from "../../domain/node-name.ts";
import type { NodeReport } from "../../domain/node-report.ts";
import { nodeOfProcess, processAtNode, processOfNode } from "../../domain/process.ts";
import type { Attestor, Evidence, Peer, ProcessWatch } from "../../ports/attestor.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Kinship } from "../../ports/kinship.ts";
import type { Nodes } from "../../ports/nodes.ts";
import { createMachine, factsOfNode, type KnownMachine } from "./machine.ts";

export type NodeAttestor = {
  /** For peers that `nodes` adopted. */
  readonly attestor: Attestor;
  /** Of processes that nodes vouch for; `find` knows those alone that a node has told of. */
  readonly watch: ProcessWatch;
  readonly kinship: Pick<Kinship, "lineageOf" | "placeOf">;
  readonly nodes: Nodes;
  /** Whether a peer is one of these. */
  has(peer: Peer): boolean;
};

/**
 * Attests processes of other machines by what the nodes there tell of them. A node is believed for its own machine alone:
 * each process, and each selector set, has the node's name in it.
 *
 * @param ports.absentSecondsMax - for how long a node's processes count as alive that is not there.
 */
export function createNodeAttestor(ports: {
  readonly clock: Pick<Clock, "schedule">;
  readonly absentSecondsMax?: number;
}): NodeAttestor {
  const { clock, absentSecondsMax = LIMITS.nodeAbsentSecondsMax } = ports;
  const machines = new Map<NodeName, KnownMachine>();
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  const reports = new WeakMap<Peer, { readonly node: NodeName; readonly report: NodeReport }>();

  function machineOf(node: NodeName): KnownMachine {
    const there = machines.get(node);
    if (there !== undefined) return there;
    const made = createMachine({
      clock,
      absentMs: absentSecondsMax * 1_000,
      emptied: () => void machines.delete(node),
    });
    machines.set(node, made);
    return made;
  }

  const known = (process: Parameters<ProcessWatch["watch"]>[0]): KnownMachine | undefined => {
    const node = nodeOfProcess(process);
    return node === undefined ? undefined : machines.get(node);
  };

  return {
    attestor: {
      async attest(peer): Promise<Evidence> {
        const told = reports.get(peer);
        if (told === undefined) throw new BrokerError("NO_IDENTITY", "no node vouches for this caller");
        const { node, report } = told;
        if (machines.get(node)?.isAttended() !== true) {
          throw new BrokerError("NOT_SERVING", "the node is not attended: its agent has to say what lives there first");
        }
        const { process, uid, selectors } = factsOfNode(node, report.caller);
        const { sharesPids, unavailable, executable } = report;
        const ancestors = report.ancestors.map((one) => processOfNode(node, one));
        return {
          process,
          uid,
          selectors,
          sharesPids,
          unavailable,
          ancestors: () => ancestors,
          ...(executable === undefined ? {} : { executable }),
        };
      },
    },
    watch: {
      watch(process, gone) {
        const node = nodeOfProcess(process);
        if (node === undefined) throw new RangeError("not a process of a node");
        return machineOf(node).watch(process, gone);
      },
      find: (pid, beside) => known(beside)?.find(pid, beside),
    },
    kinship: {
      lineageOf: (process) => known(process)?.facts(process)?.lineage ?? { kind: "untold" },
      placeOf: (process) => known(process)?.facts(process)?.place,
    },
    nodes: {
      attend(node, link) {
        const { seen, gone, end } = machineOf(node).attend({
          watch: (process) => link.watch(processAtNode(process)),
          unwatch: (process) => link.unwatch(processAtNode(process)),
          replaced: link.replaced,
        });
        changed();
        return {
          seen: (facts) => seen(factsOfNode(node, facts)),
          gone: (process) => gone(processOfNode(node, process)),
          end() {
            end();
            changed();
          },
        };
      },
      onChange(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      attended: () => [...machines].flatMap(([node, machine]) => (machine.isAttended() ? [node] : [])),
      adopt(node, connectionId, report) {
        const { caller, named, namedGone } = report;
        const peer: Peer = { connectionId, uid: caller.uid, pid: caller.process.pid };
        reports.set(peer, { node, report });
        const machine = machines.get(node);
        for (const one of named === undefined ? [caller] : [caller, named]) machine?.tell(factsOfNode(node, one));
        if (namedGone !== undefined) {
          machine?.forget({ ...processOfNode(node, caller.process), pid: namedGone });
        }
        return peer;
      },
      dismiss(node) {
        machines.get(node)?.dismiss();
        changed();
      },
    },
    has: (peer) => reports.has(peer),
  };
}
