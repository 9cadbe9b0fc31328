#!/usr/bin/env -S node --disable-sigusr1 --max-semi-space-size=8 --heap-growing-percent=200
import { keepCompiled } from "./compile-cache.ts";
import { heedHangups } from "./stintd/hangups.ts";
import { withoutDebugger } from "./stintd/without-debugger.ts";

// Before all else is loaded, which takes its time: a reload that is asked for so early must not end the daemon.
if (process.argv[2] === "run") {
  withoutDebugger();
  heedHangups();
}
const compiled = keepCompiled();
// Threads have what they compile kept by this variable alone.
if (compiled !== undefined) process.env["NODE_COMPILE_CACHE"] = compiled;
const { runStintd } = await import("./stintd/program.ts");
process.exitCode = await runStintd();
