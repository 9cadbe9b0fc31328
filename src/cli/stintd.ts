#!/usr/bin/env -S node --disable-sigusr1 --max-semi-space-size=8 --heap-growing-percent=200
import { keepCompiled } from "./compile-cache.ts";
import { requireNode } from "./oldest-node.ts";
import { heedHangups } from "./stintd/hangups.ts";
import { keepWasmWrappers } from "./stintd/wasm-wrappers.ts";
import { withoutDebugger } from "./stintd/without-debugger.ts";

requireNode("stintd");
// Before all else is loaded, which takes its time: a reload that is asked for so early must not end the daemon.
const isDaemon = process.argv[2] === "run";
if (isDaemon || process.argv[2] === "standby") {
  withoutDebugger();
  heedHangups();
}
keepWasmWrappers();
const compiled = keepCompiled();
// Threads have what they compile kept by this variable alone.
if (compiled !== undefined) process.env["NODE_COMPILE_CACHE"] = compiled;
// A core is idle while this thread loads what a daemon is made of.
const ahead = isDaemon ? (await import("../main/threads-ahead.ts")).startThreadsAhead() : undefined;
const { runStintd } = await import("./stintd/program.ts");
process.exitCode = await runStintd(ahead);
