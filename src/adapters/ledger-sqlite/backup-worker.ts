import { parentPort, workerData } from "node:worker_threads";
import { backUp } from "./backup.ts";
import type { BackupData, FromBackup } from "./backup-thread.ts";
import { loadDriver } from "./driver.ts";
import { LOADED } from "./end-thread.ts";
import { decodeHead, encodeError, encodeHead } from "./thread-messages.ts";

const port = parentPort;
if (port === null) throw new TypeError("the ledger's backup is not a program of its own");
const send = (message: FromBackup): void => port.postMessage(message);

const { from, to, seen, now } = workerData as BackupData;
try {
  const driver = await loadDriver();
  send(LOADED);
  const known = { seen: decodeHead(seen), now };
  const copied = await backUp(driver, { from, to }, known, (share) => send({ kind: "progress", share }));
  send({ kind: "copied", copied: { ...copied, head: encodeHead(copied.head) } });
} catch (thrown) {
  send({ kind: "failed", error: encodeError(thrown) });
}
