/** A node with all its descendants, level by level. */
export function withDescendants<Node>(root: Node, childrenOf: (node: Node) => Iterable<Node>): readonly Node[] {
  const nodes = [root];
  // The list grows while it is walked: the children of each node are put at its end.
  for (const node of nodes) for (const child of childrenOf(node)) nodes.push(child);
  return nodes;
}
