import { join } from "node:path";
import { BrokerDidNotStart } from "../demo/broker.ts";
import { startActor } from "../demo/start-actor.ts";
import { stint as runStint } from "../demo/stint-cli.ts";
import { type Attack, attemptText, type Observation } from "./attack.ts";
import type { InsiderCommands } from "./insider.ts";
import type { Person } from "./people.ts";
import type { SetUp, StintSetUp } from "./scenes.ts";

const RUN = "edited-database";
const INSIDER = new URL("insider.ts", import.meta.url);

export const editedDatabase: Attack = {
  id: "edited-database",
  title: "An insider edits the database",
  page: {
    story:
      "Who read customers' data last night is in a table. Somebody who may write to that table would rather not be in it: an administrator, or whoever got their " +
      "account. What is not in the log did not happen.",
    attacker:
      "whoever is the user of the daemon that keeps the record, with its files. They take out what says that an agent read customers' data, close the gap where there is one, " +
      "and then, where that is found, put back a copy of before.",
    why:
      "The ledger is a Merkle tree over all events, and its head is signed at least once a second while anything is recorded. `stint ledger verify` hashes all of it again; a start looks at the newest 10,000 events, and at the head that " +
      "was signed last. A receipt that somebody took earlier is checked without the broker and its database " +
      "([proving it to others](../guides/operator.md#proving-it-to-others)).",
    careful:
      "Rights that let the server append and nobody delete, and a copy of each row on another machine at once, keep out whoever does not administer both. A table whose rows have hashes of the rows " +
      "before shows that one is gone, as long as nobody computes them anew: it takes a head that was signed, and is kept elsewhere.",
    left: [
      "Whoever is the daemon's user, or root, has its keys too, and with enough care can write and sign another past. Whoever kept an earlier checkpoint finds that (`stint ledger prove --since`), and so do " +
        "`ledger.checkpoint_copy` in a place that was not put back and `ledger.witnesses`, who sign no second past.",
      "It is found, and not undone: put a backup back. `stintd rebuild` mends tables whose events are whole.",
      "Nothing says who did it. The ledger has what was done through the broker, and this was done past it.",
    ],
  },

  async usual({ agent, desk, people, auditTable, places }) {
    return await withInsider(people.desk, async (insider) => {
      const rows = (of: string) =>
        insider.ask("count", { database: auditTable, query: `SELECT count(*) FROM audit ${of}` });
      await read(agent, places);
      const before = await rows("WHERE tool = 'customers'");
      const { integrity } = await insider.ask("edit", {
        database: auditTable,
        statements: [
          "DELETE FROM audit WHERE tool = 'customers'",
          "CREATE TEMP TABLE kept AS SELECT row_number() OVER (ORDER BY id) AS place, id FROM audit",
          "UPDATE audit SET id = (SELECT place FROM kept WHERE kept.id = audit.id)",
        ],
      });
      const after = await rows("WHERE tool = 'customers'");
      const ticket = await desk.ask("file", { text: "Thank you!" });
      const part = { ...places, run: RUN, server: "desk", tool: "read_ticket", tokenFor: "desk" } as const;
      const { status } = await agent.ask("call", { ...part, arguments: { number: ticket } });
      const gaps =
        (await rows("")) - (await insider.ask("count", { database: auditTable, query: "SELECT max(id) FROM audit" }));
      return {
        succeeded: before > 0 && after === 0 && gaps === 0 && integrity === "ok" && status === 200,
        summary: `${before} rows on who read customers' data, gone without a trace`,
        observations: [
          { did: "counted the rows that say that `customers` was called", saw: String(before) },
          { did: "deleted them and renumbered the others; counted again", saw: `${after} rows, ${gaps} gaps` },
          { did: "asked the database whether it is whole (`PRAGMA integrity_check`)", saw: `\`${integrity}\`` },
          { did: "went on with the desk", saw: `${status}: it wrote its next row below the others` },
        ],
      };
    });
  },

  async stint(setUp) {
    const { agent, broker, directory, ledger, people, places } = setUp;
    const { operatorSocket } = broker();
    const database = join(directory, "data", "ledger", "ledger.db");
    const copy = join(directory, "data", "before.db");
    const receipt = join(directory, "receipt.tlog-proof");
    return await withInsider(people.broker, async (insider) => {
      await insider.ask("copy", { database, to: copy });
      await read(agent, places);
      const recorded = await ledger.ask(ISSUED, receipt);
      const taken = ["event", "issuance"].map((table) => `DELETE FROM ${table} WHERE sequence = ${recorded.sequence}`);
      const { integrity } = await insider.ask("edit", {
        database,
        statements: ["DROP TRIGGER event_is_never_deleted", ...taken],
      });
      const shown = JSON.parse(
        await runStint(operatorSocket, "--output", "json", ...ISSUED.query),
      ) as readonly unknown[];
      const verified = await said(runStint(operatorSocket, "ledger", "verify"));
      await broker().stop();
      const started = await startedAnew(setUp);
      await insider.ask("putBack", { copy, database });
      await setUp.restartBroker();
      const suspended = await agent.ask("attemptToOpen", {
        ...{ endpoint: broker().endpoint, agent: "clerk", run: `${RUN}-after`, step: "job", grant: [] },
      });
      const { event } = await ledger.check(receipt);
      const isFound = verified.failed && started !== "" && suspended.reason !== "OPENED";
      const observations: Observation[] = [
        {
          did: "took the event and the row of a credential out of the ledger's database, and asked the database whether it is whole",
          saw: `\`${integrity}\`; \`stint history\` shows ${shown.length} credentials of that run`,
        },
        { did: "had the ledger verified (`stint ledger verify`)", saw: verified.text.replace(/^stint: /, "") },
        { did: "started the broker anew", saw: `refused: ${started}` },
        {
          did: "put back a copy of before, started the broker on that, and asked for a step",
          saw: attemptText(suspended),
        },
        { did: "checked the receipt that an auditor had taken before", saw: `it holds: \`${String(event["type"])}\`` },
      ];
      return {
        succeeded: !isFound,
        summary:
          "`stint ledger verify` names the event that is missing, and the broker does not start; on a copy of before it issues nothing",
        reasons: [verified.failed ? "DAMAGED" : "INTACT", started === "" ? "STARTED" : "REFUSED", suspended.reason],
        observations,
        ledger: recorded,
      };
    });
  },
};

/** The credential with which customers' data was read. */
const ISSUED = {
  query: ["history", "issuances", "--run", RUN],
  members: ["spiffe_id", "jti", "state"],
  prove: { by: "--jti", member: "jti" },
  type: "issuance.recorded",
} as const;

async function read(agent: SetUp["agent"], places: SetUp["places"]): Promise<void> {
  const job = { ...places, run: RUN, server: "desk", tool: "customers" } as const;
  await agent.ask("begin", { ...places, run: RUN, tools: [job] });
  await agent.ask("call", { ...job, arguments: {}, tokenFor: "desk" });
  await agent.ask("end", { run: RUN });
}

async function withInsider<Result>(
  { user }: Pick<Person, "user">,
  work: (insider: Awaited<ReturnType<typeof startActor<InsiderCommands>>>) => Promise<Result>,
): Promise<Result> {
  const insider = await startActor<InsiderCommands>(INSIDER, { user }, { PATH: process.env["PATH"] });
  try {
    return await work(insider);
  } finally {
    await insider.kill();
  }
}

/** What `stint` printed, or what it failed with. */
async function said(printed: Promise<string>): Promise<{ readonly failed: boolean; readonly text: string }> {
  try {
    return { failed: false, text: (await printed).trim() };
  } catch (thrown) {
    const { stderr = String(thrown) } = thrown as { readonly stderr?: string };
    return { failed: true, text: stderr.trim() };
  }
}

/** Why the broker refuses to start; empty where it does not. */
async function startedAnew({ restartBroker }: StintSetUp): Promise<string> {
  try {
    await restartBroker();
    return "";
  } catch (thrown) {
    if (!(thrown instanceof BrokerDidNotStart)) throw thrown;
    return /"why":"([^"]*)/.exec(thrown.log)?.[1] ?? thrown.log;
  }
}
