import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentCommands } from "./agent.ts";
import { type Broker, startBroker } from "./broker.ts";
import { entriesFor, ROLES } from "./entries.ts";
import type { McpServerCommands } from "./mcp-server.ts";
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
  const users = chooseUsers(ROLES);
  const directory = mkdtempSync(join(tmpdir(), "stint-demo-"));
  chmodSync(directory, 0o755);
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one();
    rmSync(directory, { recursive: true, force: true });
  };
  const kept = <One extends { kill(): Promise<void> }>(actor: One): One => {
    closers.push(() => actor.kill());
    return actor;
  };
  try {
    const [library, archive] = await Promise.all([
      startActor<McpServerCommands>(SERVER, { user: users.library }, process.env).then(kept),
      startActor<McpServerCommands>(SERVER, { user: users.archive }, process.env).then(kept),
    ]);
    const resources = { library: await library.ask("where"), archive: await archive.ask("where") };
    const broker = await startBroker(directory, users.broker, { entries: entriesFor(users, resources) });
    closers.push(broker.stop);
    const environment = { ...process.env, SPIFFE_ENDPOINT_SOCKET: broker.endpoint };
    const { endpoint, issuer, development } = broker;
    const [runtime, doomed, subAgent] = await Promise.all([
      startActor<AgentCommands>(AGENT, { user: users.runtime }, environment).then(kept),
      startActor<AgentCommands>(AGENT, { user: users.runtime }, environment).then(kept),
      startActor<AgentCommands>(AGENT, { user: users.subAgent }, environment).then(kept),
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
      processes: closers.length,
      users: Math.max(1, new Set(Object.values(users)).size),
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
