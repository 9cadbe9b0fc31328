import { FOR_NODES, startNode } from "../e2e/node-scene.ts";
import { type Scene, startScene } from "./workload-scene.ts";

/** A node, and whoever lets it in: whoever runs the tests. */
const ENTRIES = [
  { kind: "node", name: "one", selectors: ["join_token:name:one"] },
  { kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" },
];

/** A daemon that workloads reach through the node `one`, whose selector is `node:name:one`. */
export function sceneThroughNode(entries: readonly object[]): Promise<Scene> {
  return startScene({ entries: [...entries, ...ENTRIES], config: FOR_NODES }, (daemon) => startNode(daemon, "one"));
}
