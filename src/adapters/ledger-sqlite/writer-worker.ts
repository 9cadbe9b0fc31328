import { parentPort, workerData } from "node:worker_threads";
import { loadDriver } from "./driver.ts";
import { type DurableStore, openDurableStore } from "./durable-store.ts";
import type { UpgradeProgress } from "./migrate.ts";
import {
  decodeActs,
  encodeError,
  encodeHead,
  encodeReply,
  type FromWriter,
  type ToWriter,
  type WriterData,
} from "./thread-messages.ts";

/** Often enough that a disk which has room again is noticed within a second. */
const PROBE_INTERVAL_MS = 500;

const port = parentPort;
if (port === null) throw new TypeError("the ledger's writer is not a program of its own");
const send = (message: FromWriter): void => port.postMessage(message);

try {
  const upgrading = (progress: UpgradeProgress) => send({ kind: "upgrading", progress });
  serve(openDurableStore(await loadDriver(), workerData as WriterData, { upgrading }));
} catch (thrown) {
  send({ kind: "refused", error: encodeError(thrown) });
}

function serve(store: DurableStore): void {
  const interval = setInterval(() => {
    store.probe();
    send({ kind: "probed", health: store.health(), disk: store.disk() });
  }, PROBE_INTERVAL_MS);

  port?.on("message", (message: ToWriter) => {
    if (message.kind === "close") {
      clearInterval(interval);
      store.close();
      port.close();
      return;
    }
    const commit = store.run(decodeActs(message.acts));
    send({ kind: "group", reply: encodeReply(commit, store.head(), store.health()) });
  });
  send({ kind: "opened", head: encodeHead(store.head()), health: store.health(), disk: store.disk() });
}
