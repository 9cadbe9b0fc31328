import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Broker, startBroker } from "../demo/broker.ts";
import { onStage, type Stage } from "../demo/stage.ts";
import { type Actor, startActor } from "../demo/start-actor.ts";
import type { AgentCommands } from "./agent.ts";
import { type AskedLedger, ledgerOf } from "./ask-ledger.ts";
import type { AttackerCommands } from "./attacker.ts";
import { entriesFor } from "./entries.ts";
import type { Resources } from "./grants.ts";
import { choosePeople, type People, type Person } from "./people.ts";
import type { ServerCommands } from "./server.ts";
import { type Guard, startGuard } from "./start-guard.ts";
import type { Places } from "./toolboxes.ts";

const SERVER = new URL("server.ts", import.meta.url);
const AGENT = new URL("agent.ts", import.meta.url);
const ATTACKER = new URL("attacker.ts", import.meta.url);

/** By what name Stint's steps know the notes, wherever they are reached. */
const NOTES_RESOURCE = "https://notes.example/mcp";

/** What both set-ups have: the same programs, in processes of their own. */
export type SetUp = {
  readonly agent: Actor<AgentCommands>;
  readonly subAgent: Actor<AgentCommands>;
  readonly desk: Actor<ServerCommands>;
  readonly billing: Actor<ServerCommands>;
  readonly notes: Actor<ServerCommands>;
  readonly attacker: Actor<AttackerCommands>;
  readonly places: Places;
  readonly people: People;
  /** All that the agent was started with. */
  readonly environment: Readonly<Record<string, string>>;
};

export type UsualSetUp = SetUp & {
  /** The desk's database, in which each call is a row. */
  readonly auditTable: string;
};

export type StintSetUp = SetUp & {
  readonly broker: () => Broker;
  /** Starts the broker anew on what it has, after it was stopped. @throws BrokerDidNotStart */
  readonly restartBroker: () => Promise<void>;
  readonly guard: Guard;
  readonly ledger: AskedLedger;
  /** Of the broker, with its ledger. */
  readonly directory: string;
};

export type Scenes = {
  readonly usual: UsualSetUp;
  readonly stint: StintSetUp;
  readonly processes: number;
  readonly users: number;
  close(): Promise<void>;
};

/** Both set-ups, side by side. */
export async function openScenes(): Promise<Scenes> {
  return onStage("stint-attacks-", async (stage) => {
    const { directory, keep, processes, close } = stage;
    const { people, users } = choosePeople(directory);
    const attacker = await startActor<AttackerCommands>(ATTACKER, people.attacker, bare({})).then(keep);
    const cast = { ...stage, people, attacker };
    const [usual, stint] = await Promise.all([
      openUsual(directoryOf(directory, "usual", people.desk), cast),
      openStint(directoryOf(directory, "stint", {}), cast),
    ]);
    return { usual, stint, processes: processes(), users, close };
  });
}

type Cast = Pick<Stage, "keep" | "keepBy"> & Pick<SetUp, "people" | "attacker">;

async function openUsual(directory: string, { people, attacker, keep }: Cast): Promise<UsualSetUp> {
  const keys = { own: newKey(), notes: newKey() };
  const { desk, billing, notes, resources } = await servers(people, keep);
  const tables = { desk: join(directory, "desk.db"), billing: join(directory, "billing.db") };
  for (const name of ["billing", "notes"] as const) directoryOf(directory, name, people[name]);
  const environment = bare({ MCP_API_KEY: keys.own, NOTES_API_KEY: keys.notes });
  const [agent, subAgent] = await Promise.all([
    startActor<AgentCommands>(AGENT, people.agent, environment).then(keep),
    startActor<AgentCommands>(AGENT, people.subAgent, environment).then(keep),
    desk.ask("serveByKey", { name: "desk", key: keys.own, table: tables.desk }),
    billing.ask("serveByKey", { name: "billing", key: keys.own, table: join(directory, "billing", "billing.db") }),
    notes.ask("serveByKey", { name: "notes", key: keys.notes, table: join(directory, "notes", "notes.db") }),
  ]);
  const places = { resources, notesUrl: resources.notes };
  return { agent, subAgent, desk, billing, notes, attacker, people, places, environment, auditTable: tables.desk };
}

async function openStint(directory: string, { people, attacker, keep, keepBy }: Cast): Promise<StintSetUp> {
  const { desk, billing, notes, resources: reached } = await servers(people, keep);
  const resources = { ...reached, notes: NOTES_RESOURCE };
  const settings = {
    entries: entriesFor(people, resources),
    policies: {
      data_classes: {
        public: { sensitivity: "ordinary" },
        internal: { sensitivity: "ordinary" },
        customer: { sensitivity: "restricted" },
      },
    },
  };
  let broker = await startBroker(directory, people.broker.user, settings);
  keepBy(() => broker.stop());
  const { endpoint, issuer, development } = broker;
  const environment = bare({ SPIFFE_ENDPOINT_SOCKET: endpoint });
  const key = newKey();
  const table = join(directoryOf(directory, "notes", people.notes), "notes.db");
  await notes.ask("serveByKey", { name: "notes", key, table });
  const guardTerms = { resource: NOTES_RESOURCE, upstream: reached.notes, key, endpoint, issuer, development };
  const [agent, subAgent, guard] = await Promise.all([
    startActor<AgentCommands>(AGENT, people.agent, environment).then(keep),
    startActor<AgentCommands>(AGENT, people.subAgent, environment).then(keep),
    startGuard(directoryOf(directory, "guard", people.guard), people.guard, guardTerms).then(keep),
    desk.ask("serveByGuard", { name: "desk", endpoint, issuer, development }),
    billing.ask("serveByGuard", { name: "billing", endpoint, issuer, development }),
  ]);
  return {
    ...{ agent, subAgent, desk, billing, notes, attacker, environment, guard, people, directory },
    places: { resources, notesUrl: guard.url },
    broker: () => broker,
    ledger: ledgerOf(broker.operatorSocket),
    async restartBroker() {
      broker = await startBroker(directory, people.broker.user, settings);
    },
  };
}

async function servers(people: People, keep: Stage["keep"]) {
  const [desk, billing, notes] = await Promise.all([
    startActor<ServerCommands>(SERVER, people.desk, bare({})).then(keep),
    startActor<ServerCommands>(SERVER, people.billing, bare({})).then(keep),
    startActor<ServerCommands>(SERVER, people.notes, bare({})).then(keep),
  ]);
  const [ofDesk, ofBilling, ofNotes] = await Promise.all([desk.ask("where"), billing.ask("where"), notes.ask("where")]);
  const resources: Resources = { desk: ofDesk, billing: ofBilling, notes: ofNotes };
  return { desk, billing, notes, resources };
}

/** Nothing of whoever runs this: an environment is what is stolen here. */
function bare(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { PATH: process.env["PATH"] ?? "", ...variables };
}

function newKey(): string {
  return `key_${crypto.randomUUID().replaceAll("-", "")}`;
}

function directoryOf(parent: string, name: string, { user }: Pick<Person, "user">): string {
  const path = join(parent, name);
  mkdirSync(path, { mode: 0o755 });
  if (user !== undefined) chownSync(path, user, user);
  return path;
}
