import type { ToolDirectory } from "../ports/directories.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import { reliable } from "./reliable.ts";

type ToolDirectoryPorts = {
  readonly ledger: Pick<Ledger, "follow">;
  readonly projections: Pick<ProjectionReads, "tools">;
};

/**
 * Keeps what is pinned in memory, beside the ledger: without the definitions, of which it has the digests.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepToolDirectory({
  ledger,
  projections,
}: ToolDirectoryPorts): Promise<ToolDirectory & { readonly following: Following }> {
  const { value, through } = await projections.tools();
  const tools = new Map(value.map((one) => [keyOf(one.location, one.tool), one]));

  function take({ event }: Committed): void {
    if (event.type === "tool.seen") {
      const { location, tool, sha256 } = event.tool;
      const pin = event.pinned ? { pinned: sha256 } : {};
      tools.set(keyOf(location, tool), { location, tool, newest: sha256, ...pin });
    } else if (event.type === "tool.changed") {
      const { location, tool, sha256 } = event.tool;
      const before = tools.get(keyOf(location, tool));
      tools.set(keyOf(location, tool), { ...before, location, tool, newest: sha256 });
    } else if (event.type === "tool.accepted") {
      const { location, tool, sha256 } = event;
      tools.set(keyOf(location, tool), { location, tool, newest: sha256, pinned: sha256 });
    } else if (event.type === "tool.forgotten") {
      tools.delete(keyOf(event.location, event.tool));
    }
  }

  const following = ledger.follow({ name: "tools", take }, through);
  const inForce = reliable(following, tools);
  return { following, standing: (location, tool) => inForce().get(keyOf(location, tool)) };
}

/** Neither a URI nor a tool's name has a space in it. */
function keyOf(location: string, tool: string): string {
  return `${tool} ${location}`;
}
