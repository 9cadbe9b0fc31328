import { createNodeAttestor, type NodeAttestor } from "../adapters/attestor-node/node-attestor.ts";
import { createUnixAttestor, type UnixAttestor } from "../adapters/attestor-unix/unix-attestor.ts";
import { nodeOfProcess, type ProcessIdentity } from "../domain/process.ts";
import type { Attestor, ProcessWatch } from "../ports/attestor.ts";
import type { Clock } from "../ports/clock.ts";
import type { Kinship } from "../ports/kinship.ts";
import type { Nodes } from "../ports/nodes.ts";

/** Processes of this machine, and of those where a node vouches for them. */
export type Machines = {
  /** What this machine's kernel says. */
  readonly unix: UnixAttestor;
  readonly nodes: Nodes;
  readonly attestor: Attestor;
  readonly watch: ProcessWatch;
  /** `alive`: on this machine; a node tells of its own when it comes. */
  readonly kinship: Kinship;
};

export function openMachines(clock: Pick<Clock, "schedule">): Machines {
  const unix = createUnixAttestor();
  const away = createNodeAttestor({ clock });
  const of = (process: ProcessIdentity): Pick<NodeAttestor, "watch" | "kinship"> =>
    nodeOfProcess(process) === undefined ? unix : away;
  return {
    unix,
    nodes: away.nodes,
    attestor: {
      attest: (peer, wanted) => (away.has(peer) ? away.attestor : unix.attestor).attest(peer, wanted),
    },
    watch: {
      watch: (process, gone) => of(process).watch.watch(process, gone),
      find: (pid, beside) => of(beside).watch.find(pid, beside),
    },
    kinship: {
      lineageOf: (process) => of(process).kinship.lineageOf(process),
      placeOf: (process) => of(process).kinship.placeOf(process),
      alive: unix.kinship.alive,
    },
  };
}
