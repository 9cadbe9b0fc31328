// What a page of history costs as the ledger grows: `make bench-history`, EVENTS=10000000 for more. The ledger is filled by its own acts,
// many in each commit, and read through the thread that reads for operators.
import { parseArgs } from "node:util";
import { countHistory } from "../../src/audit/history-count.ts";
import { historyPage } from "../../src/audit/history-page.ts";
import type { HistoryTerm } from "../../src/domain/history-filter.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { HistoryFilter } from "../../src/ports/ledger-reads.ts";
import { openSqlite } from "../../test/contract/sqlite-ledger.ts";
import { fillLedger } from "./filled-ledger.ts";
import { machineName } from "./machine.ts";
import { median } from "./paired-ratio.ts";
import { print, printRow } from "./table.ts";

const { values } = parseArgs({ options: { events: { type: "string", default: "1000000" } } });
/** The sizes at which pages are read. */
const SIZES = [0.01, 0.1, 1].map((share) => Math.round(Number(values.events) * share));
/** One step in so many is this agent's: no page of it is full within one slice. */
const RARE_ONE_IN = 4_096;
const AGENTS = 16;
const TIMES = 30;
const PAGE = 100;

const only = (field: HistoryTerm["field"], value: string): HistoryTerm => ({
  field,
  values: [value],
  isExcluded: false,
});

await using ledger = await openSqlite().then((opened) => ({ ...opened, [Symbol.asyncDispose]: opened.close }));
const { world } = ledger;
const { history } = world.store;
const agents = {
  all: await Promise.all(Array.from({ length: AGENTS }, () => world.agent())),
  rare: await world.agent(),
};
const filled = fillLedger(world, agentOf, () => world.clock.advance(50));

const widths = { first: 44, cell: 12 };
print(`${machineName()}\n`);
const rows = new Map<string, string[]>();
for (const size of SIZES) {
  await filled.fill(size);
  for (const [name, ms] of await measure()) rows.set(name, [...(rows.get(name) ?? []), ms.toFixed(2)]);
}
printRow(`a page of ${PAGE}, ms, p50 of ${TIMES}; events:`, SIZES.map(String), widths);
for (const [name, cells] of rows) printRow(name, cells, widths);

function agentOf(count: number): RegistrationEntry {
  const { all, rare } = agents;
  const agent = count % RARE_ONE_IN === 0 ? rare : all[count % all.length];
  if (agent === undefined) throw new Error("no agent");
  return agent;
}

async function measure(): Promise<readonly (readonly [string, number])[]> {
  const now = world.clock.now();
  const head = world.ledger.head().sequence;
  const run = only("run", filled.first()?.runId ?? "");
  const rare = only("agent", agents.rare.content.name);
  const issuances = (filter: Partial<HistoryFilter>) => () =>
    historyPage(
      "issuances",
      { limit: PAGE, ...filter },
      (asked) => history.issuances({ ...asked, now }),
      (row) => row.sequence,
      history,
    );
  const cases = {
    "issuances, the newest": issuances({}),
    "issuances, in the middle": issuances({ before: Math.floor(head / 2) }),
    "issuances, the oldest": issuances({ oldestFirst: true }),
    "issuances of one run": issuances({ terms: [run] }),
    "issuances of one agent in 16": issuances({ terms: [only("agent", agents.all[1]?.content.name ?? "")] }),
    "issuances not of one agent, by tool": issuances({
      terms: [{ ...rare, isExcluded: true }, only("tool", "search")],
    }),
    "issuances of a rare agent, first answer": issuances({ terms: [rare] }),
    "issuances alive at the first step": issuances({ liveAt: filled.first()?.openedAt ?? now }),
    "events of one agent in 16": () =>
      historyPage(
        "events",
        { limit: PAGE, terms: [only("agent", agents.all[1]?.content.name ?? "")] },
        history.events,
        (row) => row.sequence,
        history,
      ),
    "descendants of a step": () =>
      history.issuances({ descendantsOf: [filled.first()?.stepId ?? ""], now, limit: PAGE }),
  };
  const measured: [string, number][] = [];
  for (const [name, read] of Object.entries(cases)) measured.push([name, await medianMs(read, TIMES)]);
  const count = () => countHistory("issuances", { now }, { groupBy: "agent", top: 5 }, history);
  measured.push(["count of all issuances by agent, whole", await medianMs(count, 3)]);
  return measured;
}

async function medianMs(read: () => Promise<unknown>, times: number): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time < times; time += 1) {
    const startedMs = performance.now();
    await read();
    taken.push(performance.now() - startedMs);
  }
  return median(taken);
}
