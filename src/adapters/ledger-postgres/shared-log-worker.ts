// What the thread loads that keeps a replica's tables.
export { openSharedLog } from "./shared-log.ts";
