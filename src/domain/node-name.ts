import { isSegment, type Segment } from "./spiffe-id.ts";

declare const checked: unique symbol;

/** Which node: the name of its entry, or of a group `<entry>/<machine>`. */
export type NodeName = string & { readonly [checked]: "node" };

/** @param machine - of an entry that is a group: which of its machines. */
export function nodeNameOf(entry: Segment, machine: Segment | undefined): NodeName {
  return (machine === undefined ? entry : `${entry}/${machine}`) as NodeName;
}

/** @returns `undefined` for what is no node's name */
export function parseNodeName(value: unknown): NodeName | undefined {
  const parts = typeof value === "string" ? value.split("/") : [];
  const isName = parts.length >= 1 && parts.length <= 2 && parts.every(isSegment);
  return isName ? (parts.join("/") as NodeName) : undefined;
}

/** The name of the node's entry, and of a machine of a group the machine's. */
export function partsOfNodeName(node: NodeName): { readonly entry: Segment; readonly machine?: Segment } {
  const [entry, machine] = node.split("/") as [Segment, Segment?];
  return machine === undefined ? { entry } : { entry, machine };
}

/** The group that a node is a machine of; `undefined` for one with an entry of its own. */
export function groupOf(node: NodeName): Segment | undefined {
  const { entry, machine } = partsOfNodeName(node);
  return machine === undefined ? undefined : entry;
}
