// What a thread of the executable runs first: the module that it was started for, whose name is its last argument.
import process from "node:process";
import { serveInside } from "./serve-inside.ts";

serveInside();
const [entry = ""] = process.argv.slice(-1);
void import(entry);
