import { execFileSync } from "node:child_process";
import { openSync } from "node:fs";
import { createLineWriter } from "../../../src/adapters/log-pino/line-writer.ts";

/*
 * Writes lines to a file that may not be larger than this process is allowed to make one, and, once it is allowed to, more.
 */

const writer = createLineWriter(openSync(process.argv[2] ?? "", "a"), (lines) => writer.write(`lost ${lines}\n`));
writer.write(`${"1".repeat(799)}\n`);
await writer.flushed(60_000);
writer.write(`${"2".repeat(799)}\n`);
await writer.flushed(60_000);
execFileSync("prlimit", [`--pid=${process.pid}`, "--fsize=unlimited"]);
writer.write("3\n");
await writer.flushed(60_000);
