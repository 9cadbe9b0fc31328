import type { NodeName } from "../domain/node-name.ts";
import type { NodeFacts, NodeReport } from "../domain/node-report.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import type { Peer } from "./attestor.ts";
import type { Cancel } from "./clock.ts";

/** How a node is told which of its processes matter. */
export type NodeLink = {
  watch(process: ProcessIdentity): void;
  unwatch(process: ProcessIdentity): void;
  /** Another link of the same node has taken this one's place, or the node is let go. */
  replaced(): void;
};

/** The machines of nodes, each for as long as its node is there and a while after. */
export type Nodes = {
  /**
   * A node is there. What it is asked to watch, and was asked before, it is told by the link.
   *
   * @returns seen: what is known of a process that is watched; gone: such a process has ended; end: the node is not there any
   *   more.
   */
  attend(
    node: NodeName,
    link: NodeLink,
  ): { seen(facts: NodeFacts): void; gone(process: ProcessIdentity): void; readonly end: Cancel };
  /** The nodes that are there. */
  attended(): readonly NodeName[];
  /** Calls whenever a node comes or is not there any more; ends with the returned function. */
  onChange(listener: () => void): Cancel;
  /** Whoever calls through a node, as one end of a connection. */
  adopt(node: NodeName, connectionId: string, report: NodeReport): Peer;
  /** The node is believed no longer: all of its processes count as gone at once. */
  dismiss(node: NodeName): void;
};
