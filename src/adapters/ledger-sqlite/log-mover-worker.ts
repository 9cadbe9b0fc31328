import { parentPort, workerData } from "node:worker_threads";
import { openMover } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { moveLog } from "./log-keeper.ts";
import type { ToLogMover } from "./log-mover-thread.ts";

const port = parentPort;
if (port === null) throw new TypeError("what moves the ledger's log is not a program of its own");
const db = openMover(await loadDriver(), workerData as string);

port.on("message", ({ kind }: ToLogMover) => {
  if (kind === "close") {
    db.close();
    port.close();
    return;
  }
  try {
    moveLog(db);
  } catch {
    // As within SQLite, nothing is lost: a disk that fails shows in the next commit.
  }
  port.postMessage({ kind: "moved" });
});
