#!/usr/bin/env node
import { keepCompiled } from "./compile-cache.ts";
import { requireNode } from "./oldest-node.ts";

requireNode("stint");
// Before all else is loaded, which is most of what a short command does.
keepCompiled();
const { runStint } = await import("./run-stint.ts");
process.exitCode = await runStint();
