import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

// Where .ci/run wants the machine-readable report; without it only the readable ones are printed.
const reportFile = process.env["STINT_TEST_REPORT"];

// What is compiled once is compiled for all: test files are processes, in which ledgers and engines start threads by the hundred, and
// each would read the same TypeScript anew. Programs that tests start keep theirs there too.
process.env["NODE_COMPILE_CACHE"] ??= resolve(import.meta.dirname, "build/test/compiled");

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Tests open sockets, spawn processes and load native code: a process each keeps one file's crash out of another's.
    pool: "forks",
    // As `stintd` does for itself (src/cli/stintd/wasm-wrappers.ts): threads that load TypeScript come and go in tests by the hundred.
    execArgv: ["--wasm-wrapper-tiering-budget=2000000000"],
    // Three for two cores: a third of a file's time is spent waiting, for steps that end and for what a daemon is to have done.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    // For what never comes. On a machine that others use, two daemons alone may take twenty seconds to start.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The same for what is waited for: a second, which is the default, would be a time that a test asserts.
    expect: { poll: { timeout: 20_000 } },
    // And for `vi.waitFor`, whose default no setting changes.
    setupFiles: ["test/waiting.ts"],
    // A test that passes on the second try has found a bug.
    retry: 0,
    reporters: reportFile === undefined ? ["default"] : ["default", ["json", { outputFile: reportFile }]],
  },
});
