import { beforeAll, expect, test } from "vitest";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { withoutSessions, withSessions } from "./everything-server.ts";
import { type Check, checksOf, installedSuite, type SuiteRelease } from "./official-suite.ts";
import { guardedByProgram, guardedServer, plainServer, resultsFolder } from "./suite-scene.ts";

/** Of the suite against one server: some seconds, on a machine that has nothing else to do. */
const RUN_MS_MAX = 300_000;

let suite: string;
beforeAll(async () => {
  suite = await installedSuite();
}, INSTALL_MS_MAX);

type Run = {
  readonly release: SuiteRelease;
  readonly version: string;
  readonly served: () => Parameters<typeof guardedServer>[0];
  /** So many checks the suite must have made at least: one that looks at nothing finds no fault. */
  readonly checksMin: number;
};

test.for<Run>([
  { release: "conformance-0.2", version: "2026-07-28", served: withoutSessions, checksMin: 150 },
  { release: "conformance-0.2", version: "2025-11-25", served: withSessions, checksMin: 84 },
  { release: "conformance-0.1", version: "2025-11-25", served: withSessions, checksMin: 44 },
])(
  "a server passes every check of $release for MCP $version behind the guard, its own or the program, that it passes without",
  { timeout: RUN_MS_MAX },
  async ({ release, version, served, checksMin }) => {
    const checksAt = (url: string) => checksOf(suite, release, version, url, resultsFolder());
    const plain = await checksAt(await plainServer(served()));
    expect(plain.filter(isPassed).length).toBeGreaterThanOrEqual(checksMin);
    const known = faultsOf(plain);
    for (const guarded of [guardedServer, guardedByProgram]) {
      const checks = await checksAt(await guarded(served()));
      expect(faultsOf(checks).filter((fault) => !known.includes(fault))).toEqual([]);
      expect(checks.filter(isPassed).length).toBeGreaterThanOrEqual(plain.filter(isPassed).length);
    }
  },
);

const isPassed = ({ status }: Check) => status === "SUCCESS";

/** What the suite finds fault with, and what it could not look at. */
function faultsOf(checks: readonly Check[]): string[] {
  return checks
    .filter(({ status }) => status === "FAILURE" || status === "WARNING" || status === "SKIPPED")
    .map(({ scenario, id, status, errorMessage = "" }) => `${status} ${scenario} ${id}: ${errorMessage}`)
    .sort();
}
