import type { Segment } from "./spiffe-id.ts";

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
  const [bootId = "", pidNamespace = "", pid, startTimeTicks, ...rest] = text.split("/");
  const process = { bootId, pidNamespace, pid: Number(pid), startTimeTicks: Number(startTimeTicks) };
  if (rest.length > 0 || formatProcess(process) !== text) throw new RangeError("not the text of a process");
  return process;
}

/** Stands for the process of a caller with an entry's X.509-SVID on the network, which the broker can't see. */
export function remoteProcess(entryId: string): ProcessIdentity {
  return { bootId: entryId, pidNamespace: REMOTE, pid: 0, startTimeTicks: 0 };
}

export function isRemote(process: ProcessIdentity): boolean {
  return process.pidNamespace === REMOTE;
}

/** The kernel's namespaces are numbers, so that none of them has this name. */
const REMOTE = "remote";

const OF_NODE = /^node:([^:]+):(.*)$/;

/** A process of a node's machine, as the node names it. */
export function processOfNode(node: Segment, process: ProcessIdentity): ProcessIdentity {
  return { ...process, bootId: `node:${node}:${process.bootId}` };
}

/** The node that vouches for a process; `undefined` for one that the broker sees itself. */
export function nodeOfProcess({ bootId }: Pick<ProcessIdentity, "bootId">): Segment | undefined {
  return OF_NODE.exec(bootId)?.[1] as Segment | undefined;
}

/** A process as its node names it. */
export function processAtNode(process: ProcessIdentity): ProcessIdentity {
  return { ...process, bootId: OF_NODE.exec(process.bootId)?.[2] ?? process.bootId };
}

export function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return formatProcess(a) === formatProcess(b);
}
