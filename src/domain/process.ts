import type { NodeName } from "./node-name.ts";

/**
 * A process as the kernel names it. A pid is reused; with its start time, the boot and the PID namespace it is unique.
 */
export type ProcessIdentity = {
  /** Of a process that a node vouches for, with the node's name before it: no node can name a process of another machine. */
  readonly bootId: string;
  /** Inode of the PID namespace, as in `pid:[4026531836]`. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/<pid>/stat. */
  readonly startTimeTicks: number;
};

/** One text for one process, fit to be compared and stored. */
export function formatProcess(process: ProcessIdentity): string {
  return `${process.bootId}/${process.pidNamespace}/${process.pid}/${process.startTimeTicks}`;
}

/** The process that `formatProcess` wrote. @throws RangeError for any other text */
export function processFrom(text: string): ProcessIdentity {
  const parts = text.split("/");
  // The name of a machine of a group has a slash in it.
  const [pidNamespace = "", pid, startTimeTicks] = parts.splice(-3);
  const process = { bootId: parts.join("/"), pidNamespace, pid: Number(pid), startTimeTicks: Number(startTimeTicks) };
  if (formatProcess(process) !== text) throw new RangeError("not the text of a process");
  return process;
}

/**
 * Stands for the process of a caller with an entry's X.509-SVID on the network, which the broker can't see.
 *
 * @param machine - of a group of nodes, the one whose agent it is.
 */
export function remoteProcess(entryId: string, machine?: string): ProcessIdentity {
  return {
    bootId: machine === undefined ? entryId : `${entryId}:${machine}`,
    pidNamespace: REMOTE,
    pid: 0,
    startTimeTicks: 0,
  };
}

export function isRemote(process: ProcessIdentity): boolean {
  return process.pidNamespace === REMOTE;
}

/** The kernel's namespaces are numbers, so that none of them has this name. */
const REMOTE = "remote";

const OF_NODE = /^node:([^:]+):(.*)$/;

/** A process of a node's machine, as the node names it. */
export function processOfNode(node: NodeName, process: ProcessIdentity): ProcessIdentity {
  return { ...process, bootId: `node:${node}:${process.bootId}` };
}

/** The node that vouches for a process; `undefined` for one that the broker sees itself. */
export function nodeOfProcess({ bootId }: Pick<ProcessIdentity, "bootId">): NodeName | undefined {
  return OF_NODE.exec(bootId)?.[1] as NodeName | undefined;
}

/** A process as its node names it. */
export function processAtNode(process: ProcessIdentity): ProcessIdentity {
  return { ...process, bootId: OF_NODE.exec(process.bootId)?.[2] ?? process.bootId };
}

export function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return formatProcess(a) === formatProcess(b);
}
