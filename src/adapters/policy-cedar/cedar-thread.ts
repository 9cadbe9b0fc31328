import { extname } from "node:path";
import { startThread } from "../../package/start.ts";
import { policySchemaText } from "./policy-files.ts";
import type { CedarData, FromCedar, ToCedar } from "./thread-messages.ts";

/** The engine's thread while it lives. */
export type CedarThread = {
  post(message: ToCedar): void;
  /** Only what somebody waits for keeps the process alive. */
  keepAlive(isWaitedFor: boolean): void;
  /** Resolves when the thread has ended. */
  end(): Promise<void>;
};

export type StartThread = typeof startCedarThread;

/** @param onEnd - once, whatever the thread ended of; not after `end`. */
export function startCedarThread(
  onMessage: (message: FromCedar) => void,
  onEnd: (cause: unknown) => void,
): CedarThread {
  const workerData: CedarData = { schema: policySchemaText() };
  // The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is.
  const entry = new URL(`./cedar-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = startThread(entry, { name: "policies", workerData });
  let hasEnded = false;
  let cause: unknown;
  const exited = new Promise<void>((resolve) => {
    worker.on("message", onMessage);
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      resolve();
      if (hasEnded) return;
      hasEnded = true;
      onEnd(cause);
    });
  });
  return {
    post: (message) => worker.postMessage(message),
    keepAlive: (isWaitedFor) => (isWaitedFor ? worker.ref() : worker.unref()),
    async end() {
      hasEnded = true;
      await worker.terminate();
      await exited;
    },
  };
}
