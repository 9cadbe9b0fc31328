import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

// Where .ci/run wants the machine-readable report; without it only the readable ones are printed.
const reportFile = process.env["STINT_TEST_REPORT"];

/** How src asks for what starts threads; what is there for it says why. */
const THREADS = {
  find: /^(\.\.\/)+package\/start\.ts$/,
  replacement: resolve(import.meta.dirname, "test/bundled-threads.ts"),
};

// What is compiled once is compiled for all: test files are processes, in which ledgers and engines start threads by the hundred, and
// each would read the same TypeScript anew. Programs that tests start keep theirs there too.
process.env["NODE_COMPILE_CACHE"] ??= resolve(import.meta.dirname, "build/test/compiled");

/**
 * Folders whose tests leave nothing behind in the process that they run in, and share no instant: what a module reads of the clock when it
 * is loaded, all files after it would have. Files of these follow one another in a process, which saves half of the processor's time
 * that the shorter of them take.
 */
const IN_ONE_PROCESS = [
  ...["attest", "audit", "authority", "check", "close", "config", "decide", "domain", "explain", "federation"],
  ...["follow", "fuzz", "issue", "ledger", "memory", "node", "open", "pins", "policy", "registry", "scale"],
  ...["signals", "stream", "types", "verify", "wire", "cli/output"],
  ...["adapters/jwt-es256", "adapters/policy-cedar", "adapters/vault-disk"],
].map((folder) => `test/${folder}/**/*.test.ts`);

/**
 * What a run of all tests leaves to `make conformance`: others' frameworks and servers that take minutes to install, build and start. Of each kind
 * there is one that is tried here all the same, or what they are asked and answer: LangChain, OpenAI's and the AI SDK's adapters; the servers of
 * test/guard; the stand-ins of test/exchange; test/adapters/policy-opa; other verifiers in Go.
 */
const LEFT_OUT = [
  ...["claude-agent", "mastra", "temporal"].map((name) => `test/conformance/adapters/${name}/**`),
  ...["guarded", "opa", "openbao", "verifiers/vault"].map((name) => `test/conformance/${name}/**`),
  "test/e2e/external-policy.test.ts",
];

export default defineConfig({
  test: {
    alias: process.env["STINT_PROGRAMS"] === undefined ? [] : [THREADS],
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: [
            ...configDefaults.exclude,
            ...IN_ONE_PROCESS,
            ...(process.env["STINT_TESTS"] === "most" ? LEFT_OUT : []),
          ],
        },
      },
      { extends: true, test: { name: "together", include: IN_ONE_PROCESS, isolate: false } },
    ],
    // Daemons that tests start serve it.
    globalSetup: ["test/console/build-console.ts"],
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
