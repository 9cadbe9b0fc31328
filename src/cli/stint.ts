#!/usr/bin/env node
import { stintProgram } from "./program.ts";
import { runProgram } from "./run-program.ts";
import { systemContext } from "./system-context.ts";

const context = systemContext();
process.exitCode = await runProgram(stintProgram(context), process.argv.slice(2), context);
