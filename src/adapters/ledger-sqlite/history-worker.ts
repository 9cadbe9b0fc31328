import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { DATABASE_FILE, openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { LOADED } from "./end-thread.ts";
import type { FromHistory, HistoryData, ToHistory } from "./history-thread.ts";
import { createExportReads } from "./reads/export-reads.ts";
import { createHistoryReads } from "./reads/history-reads.ts";
import { createLogReads } from "./reads/log-reads.ts";
import { createReader } from "./reads/reader.ts";
import { createRetentionReads } from "./reads/retention-reads.ts";
import { createTreeReads } from "./reads/tree-reads.ts";
import { createSnapshotMaker } from "./snapshot-maker.ts";
import { encodeError } from "./thread-messages.ts";
import { verifyAll } from "./verify-all.ts";

const port = parentPort;
if (port === null) throw new TypeError("the ledger's reader is not a program of its own");

const driver = await loadDriver();
port.postMessage(LOADED satisfies FromHistory);
const { directory } = workerData as HistoryData;
const reader = createReader(() => openReader(driver, join(directory, DATABASE_FILE)));
const maker = { ...createSnapshotMaker(driver, reader), ...createRetentionReads(reader) };
const ofLog = { ...createTreeReads(reader), ...createLogReads(reader) };
const reads = { ...createHistoryReads(reader), ...createExportReads(reader), ...ofLog, ...maker };

port.on("message", async (message: ToHistory) => {
  if (message === "close") {
    reader.close();
    port.close();
    return;
  }
  const { id, method, parameters } = message;
  let answer: FromHistory;
  try {
    const verify = async () => {
      // A connection keeps pages in memory for as long as nobody writes: what is on the disk is seen by a new one alone.
      reader.close();
      return reader.read((db) =>
        verifyAll(driver, db, (progress) => port.postMessage({ id, kind: "progress", progress } satisfies FromHistory)),
      );
    };
    const call = (method === "verifyAll" ? verify : reads[method]) as (
      ...parameters: readonly unknown[]
    ) => Promise<unknown>;
    answer = { id, kind: "answer", answer: await call(...parameters) };
  } catch (thrown) {
    answer = { id, kind: "error", error: encodeError(thrown) };
  }
  port.postMessage(answer);
});
