import type { Ratchet } from "../../../domain/data-classes.ts";
import type { OpenerFacts } from "../../../domain/decision.ts";
import { formatProcess } from "../../../domain/process.ts";
import type { RecordedRisk } from "../../../domain/risk.ts";
import { alsoFor, type FactScope, type ScopeFacts } from "../../../domain/run-facts.ts";
import type { Step } from "../../../domain/step.ts";
import type { RecordedWorld, StepReads } from "../../../ports/ledger-reads.ts";
import type { Connection, SqlParameters } from "../connection.ts";
import { callsCounted } from "../tables/call-table.ts";
import { DECISION } from "../tables/decision-table.ts";
import { sizeOf } from "../tables/event-table.ts";
import { ownerIn, RUN, type RunGuardRow } from "../tables/run-table.ts";
import { STEP, type StepRow, stepOf } from "../tables/step-table.ts";
import {
  connectedWith,
  FACT,
  type FactRow,
  pairsOf,
  RISK,
  SHARED,
  type SharedRow,
  scopeFactsOf,
} from "../tables/world-table.ts";
import { consistently, type Reader } from "./reader.ts";

/** Reads single steps on the event loop: each read is a lookup or two by an index, and costs less than a thread hop. */
export function createStepReads({ read }: Reader): StepReads {
  function one(sql: string, parameters: SqlParameters): Step | undefined {
    const row = read((db) => db.get<StepRow>(sql, parameters));
    return row === undefined ? undefined : stepOf(row);
  }

  return {
    step: async (stepId) => one(STEP.byId, { stepId }),
    newestAttempt: async (runId, step) => one(STEP.newestAttempt, { runId, step }),
    async runOwner(runId) {
      const row = read((db) => db.get<RunGuardRow>(RUN.guard, { runId }));
      return row === undefined ? undefined : ownerIn(row);
    },
    standingAttempts: async (runId, step) =>
      read((db) => db.all<StepRow>(STEP.standingAttempts, { runId, step })).map(stepOf),
    stepByRequest: async (entryId, process, requestId) =>
      one(STEP.byRequest, { entryId, process: formatProcess(process), requestId }),
    world: async (scopes, risks, ratchet) =>
      read((db) =>
        consistently(db, () => ({
          ...factsOf(db, scopes, ratchet),
          risks: risks.flatMap((scope) => db.get<RecordedRisk>(RISK.of, { scope }) ?? []),
          through: sizeOf(db),
        })),
      ),
    callsCounted: async (stepId) => read((db) => callsCounted(db, stepId)),
    async opening(decisionId) {
      const row = read((db) => db.get<{ readonly opening: string | null }>(DECISION.opening, { decisionId }));
      if (row === undefined || row.opening === null) return undefined;
      const { runtime, parent, selectors } = JSON.parse(row.opening) as OpenerFacts;
      return {
        ...(runtime === undefined ? {} : { runtime }),
        ...(parent === undefined ? {} : { parent }),
        selectors,
      };
    },
  };
}

function factsOf(
  db: Connection,
  asked: readonly FactScope[],
  ratchet: Ratchet,
): Pick<RecordedWorld, "countsIn" | "facts" | "together"> {
  const of = (scopes: readonly FactScope[]) =>
    scopes.flatMap((scope) => db.get<FactRow>(FACT.of, { scope }) ?? []).map(scopeFactsOf);
  const known = of(connectedWith(db, asked));
  const workedFor = ratchet === "run" ? [] : known.flatMap(({ principals = [] }) => principals);
  const countsIn = alsoFor(asked, [...new Set(workedFor)]);
  const facts = [...known, ...of(countsIn.slice(asked.length))];
  const counted = facts.filter(({ scope }) => countsIn.includes(scope));
  return { countsIn, facts, together: countsOf(db, counted) };
}

/** Steps that count in several of these scopes are counted once. */
function countsOf(db: Connection, facts: readonly ScopeFacts[]): RecordedWorld["together"] {
  const scopes = facts.map(({ scope }) => scope);
  const shared = pairsOf(scopes).flatMap((pair) => db.all<SharedRow>(SHARED.ofPair, { pair }));
  const counts = { stepsOpen: 0, steps: 0 };
  for (const { stepsOpen, steps } of facts) {
    counts.stepsOpen += stepsOpen;
    counts.steps += steps;
  }
  for (const row of new Map(shared.map((one) => [one.scopes, one])).values()) {
    const among = (JSON.parse(row.scopes) as readonly FactScope[]).filter((scope) => scopes.includes(scope));
    counts.stepsOpen -= (among.length - 1) * row.stepsOpen;
    counts.steps -= (among.length - 1) * row.steps;
  }
  return counts;
}
