import type { LedgerRecord } from "./ask-ledger.ts";
import type { Account, Attack, Observation } from "./attack.ts";
import type { AttackResult } from "./run-attack.ts";

/** Of which run the pages are. */
export type RunFacts = {
  readonly stint: string;
  readonly node: string;
  /** `2026-11-30` */
  readonly date: string;
  readonly processes: number;
  readonly users: number;
  readonly tookMs: number;
};

const MEMBER_WIDTH_MIN = 10;

/** The page of one attack: its own texts, and what the run gave. */
export function attackPage({ id, page }: Attack, result: AttackResult, run: RunFacts): string {
  const { usual, stint, ledger } = result;
  return paragraphs(
    `# ${result.title}`,
    `Written by \`make attacks\` from its run of ${run.date}: Stint ${run.stint}, Node.js ${run.node}. Ids, times and numbers of events are that run's.`,
    page.story,
    `**The attacker** is ${page.attacker}`,
    "## Against the usual set-up: it succeeds",
    account(usual),
    `**What more care prevents.** ${page.careful}`,
    "## Against Stint: it fails",
    account(stint),
    page.why,
    "## What the ledger has",
    ledgerBlock(ledger),
    "## What is left",
    page.left.map((left) => `- ${left}`).join("\n"),
    `What is done here is in [${id}.ts](../../scripts/attacks/${id}.ts); [the other attacks](README.md).`,
  );
}

/** What all attacks have in common, and how each went. */
export function indexPage(results: readonly AttackResult[], run: RunFacts): string {
  const rows = results.map(
    ({ id, title, usual, stint, ledger }) =>
      `| [${title}](${id}.md) | ${usual.summary} | ${stint.summary} | event ${ledger.sequence}, \`${ledger.type}\` |`,
  );
  return paragraphs(
    "# Attacks, and what becomes of them",
    `Written by \`make attacks\` from its run of ${run.date}: Stint ${run.stint}, Node.js ${run.node}, ${run.processes} processes ` +
      `under ${run.users === 1 ? "one user" : `${run.users} users`}, ${(run.tookMs / 1_000).toFixed(0)} s.`,
    SCENE,
    ["| attack | the usual set-up | Stint | in the ledger |", "|---|---|---|---|", ...rows].join("\n"),
    FAIRNESS,
    "`make attacks` runs all of them again, prints a line for what each side saw, and writes these pages; it fails where an attack does not " +
      "succeed against the usual set-up, succeeds against Stint, or is not proved to be in the ledger. `test/attacks/attacks.test.ts` does the " +
      "same in CI, and holds the pages to what its own run gives. What is defended beside these, and what is not, is in [security](../security.md).",
  );
}

const SCENE =
  "A shop has a support desk and a billing server, both MCP servers of the official SDK, and uses notes that somebody else serves. Its agent reads " +
  "tickets, looks up customers and answers by mail. All of it is there twice: behind **the usual set-up**, a key in the agent's environment that " +
  "stands for the role `agent` at the desk and at billing, another for the notes, and a table in which each call is a row; and behind **Stint**. Servers, tools, the agent's loop and its model are " +
  "the same program. The model is a script that obeys every order in whatever it reads: real ones obey some.";

const FAIRNESS =
  "The usual set-up is what many teams run today and no straw man: the key is compared in constant time, is sent in a header and never in a URL, " +
  "the role is checked for each tool, and every call is written down. Each page says what more care would have prevented, and what not. Nothing " +
  "here attacks anybody's software but our own, on loopback addresses.";

function account({ observations, summary, succeeded }: Account): string {
  const rows = observations.map(({ did, saw }: Observation) => `| ${did} | ${saw} |`);
  const table = ["| what was done | what was seen |", "|---|---|", ...rows].join("\n");
  return paragraphs(table, `**${succeeded ? "It succeeded" : "It failed"}:** ${summary}.`).trimEnd();
}

function ledgerBlock({ query, rows, members, prove, sequence, type, treeSize, proved }: LedgerRecord): string {
  const width = Math.max(MEMBER_WIDTH_MIN, ...Object.keys(members).map((name) => name.length));
  const told = Object.entries(members).map(([name, value]) => `${name.padEnd(width)}  ${valueText(value)}`);
  return [
    "```text",
    `$ ${query}`,
    ...(rows > 1 ? [`${rows} rows, the newest of them:`] : []),
    ...told,
    "",
    `$ ${prove} --out event.tlog-proof`,
    "$ stint ledger check event.tlog-proof --key <the ledger's key>",
    `event ${sequence}, ${type}, in a tree of ${treeSize} events: ${proved ? "the proof holds" : "NOT PROVED"}`,
    "```",
  ].join("\n");
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function paragraphs(...parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
