import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { signCommitted } from "../../ledger/sign-committed.ts";
import type { CommitSigner } from "../../ports/commit-signer.ts";
import { loadDriver } from "./driver.ts";
import { type DurableStore, openDurableStore } from "./durable-store.ts";
import type { UpgradeProgress } from "./migrate.ts";
import type { Commit } from "./store.ts";
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
  const { signing, ...options } = workerData as WriterData;
  const signer = await openSigner(signing);
  serve(openDurableStore(await loadDriver(), options, { upgrading }), signer);
} catch (thrown) {
  send({ kind: "refused", error: encodeError(thrown) });
}

/** What signs is another adapter's, and is known here by its module alone. */
async function openSigner(signing: WriterData["signing"]): Promise<CommitSigner | undefined> {
  if (signing === undefined) return undefined;
  const { openCommitSigner } = (await import(signing.module)) as {
    readonly openCommitSigner: (port: MessagePort) => CommitSigner;
  };
  return openCommitSigner(signing.port);
}

function serve(store: DurableStore, signer: CommitSigner | undefined): void {
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
    const acts = decodeActs(message.acts);
    const { outcomes, events }: Commit = store.run(acts);
    const answers = signer === undefined ? outcomes : signCommitted(acts, outcomes, signer);
    const commit = { outcomes: answers, events };
    send({ kind: "group", reply: encodeReply(commit, store.head(), store.health()) });
  });
  send({ kind: "opened", head: encodeHead(store.head()), health: store.health(), disk: store.disk() });
}
