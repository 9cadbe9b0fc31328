import type { AgentCommands } from "./agent.ts";
import { type Broker, startBroker } from "./broker.ts";
import { entriesFor, ROLES } from "./entries.ts";
import type { McpServerCommands } from "./mcp-server.ts";
import { onStage } from "./stage.ts";
import { type Actor, startActor } from "./start-actor.ts";
import { chooseUsers } from "./users.ts";

const SERVER = new URL("mcp-server.ts", import.meta.url);
const AGENT = new URL("agent.ts", import.meta.url);

/** Everybody on stage. */
export type Scene = {
  readonly broker: Broker;
  readonly library: Actor<McpServerCommands>;
  readonly archive: Actor<McpServerCommands>;
  readonly runtime: Actor<AgentCommands>;
  /** A second process of the runtime, which will be killed. */
  readonly doomed: Actor<AgentCommands>;
  readonly subAgent: Actor<AgentCommands>;
  /** Canonical URIs of the two servers: the audiences of tokens for them. */
  readonly resources: { readonly library: string; readonly archive: string };
  readonly run: string;
  readonly processes: number;
  readonly users: number;
  close(): Promise<void>;
};

/**
 * Starts every process, in the order in which they need one another: servers to have addresses, the daemon to know them as
 * audiences, then the rest.
 */
export async function openScene(): Promise<Scene> {
  return onStage("stint-demo-", async ({ directory, keep, keepBy, processes, close }) => {
    const users = chooseUsers(ROLES);
    const [library, archive] = await Promise.all([
      startActor<McpServerCommands>(SERVER, { user: users.library }, process.env).then(keep),
      startActor<McpServerCommands>(SERVER, { user: users.archive }, process.env).then(keep),
    ]);
    const resources = { library: await library.ask("where"), archive: await archive.ask("where") };
    const broker = await startBroker(directory, users.broker, { entries: entriesFor(users, resources) });
    keepBy(broker.stop);
    const environment = { ...process.env, SPIFFE_ENDPOINT_SOCKET: broker.endpoint };
    const { endpoint, issuer, development } = broker;
    const [runtime, doomed, subAgent] = await Promise.all([
      startActor<AgentCommands>(AGENT, { user: users.runtime }, environment).then(keep),
      startActor<AgentCommands>(AGENT, { user: users.runtime }, environment).then(keep),
      startActor<AgentCommands>(AGENT, { user: users.subAgent }, environment).then(keep),
      library.ask("serve", { endpoint, issuer, development }),
      archive.ask("serve", { endpoint, issuer, development }),
    ]);
    return {
      broker,
      library,
      archive,
      runtime,
      doomed,
      subAgent,
      resources,
      run: "demo",
      processes: processes(),
      users: Math.max(1, new Set(Object.values(users)).size),
      close,
    };
  });
}
