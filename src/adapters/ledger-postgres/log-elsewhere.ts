import { extname } from "node:path";
import type { SharedLogSettings } from "./shared-log.ts";

/** The thread's part is TypeScript in a checkout and JavaScript in the package, as this file is. */
const MODULE = new URL(`./shared-log-worker${extname(import.meta.url)}`, import.meta.url);

/** The log in PostgreSQL, for the thread that keeps the tables: its module, which exports `openSharedLog`, and what to call that with. */
export function logElsewhere(settings: SharedLogSettings): {
  readonly module: URL;
  readonly settings: SharedLogSettings;
} {
  return { module: MODULE, settings };
}
