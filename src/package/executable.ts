// What the executable runs first, in its first thread: the program that it was called as, or the module that its parent process forked.
import { basename } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { INSIDE } from "./place.ts";
import { serveInside } from "./serve-inside.ts";

const PROGRAMS = "dist/bundle/esm";
const FAILED = 1;

serveInside();
const [, calledAs = "", forked = ""] = process.argv;
const isForked = process.send !== undefined && forked.startsWith(`${process.execPath}/`);
const program = basename(calledAs).startsWith("stintd") ? "stintd" : "stint";
// As its first line has it, where it is a file of its own.
if (program === "stintd") setFlagsFromString("--heap-growing-percent=200");
import(isForked ? pathToFileURL(forked).href : `${INSIDE}${PROGRAMS}/${program}.js`).catch((thrown: unknown) => {
  process.stderr.write(`${program}: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = FAILED;
});
