import { parentPort, workerData } from "node:worker_threads";
import type { LedgerHealth } from "../../ports/ledger.ts";
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
  let told = store.health();
  const interval = setInterval(() => {
    store.probe();
    tell(store.health());
  }, PROBE_INTERVAL_MS);

  function tell(health: LedgerHealth): void {
    if (JSON.stringify(health) === JSON.stringify(told)) return;
    told = health;
    send({ kind: "health", health });
  }

  port?.on("message", (message: ToWriter) => {
    if (message.kind === "close") {
      clearInterval(interval);
      store.close();
      port.close();
      return;
    }
    const commit = store.run(decodeActs(message.acts));
    told = store.health();
    send({ kind: "group", reply: encodeReply(commit, store.head(), told) });
  });
  send({ kind: "opened", head: encodeHead(store.head()), health: told });
}
