import { extname } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { startThread } from "../../package/start.ts";
import { endable, type Loaded } from "./end-thread.ts";
import { decodeError, encodeHead, type WireError, type WireHead } from "./thread-messages.ts";
import type { CopyTerms } from "./verify-copy.ts";

export type VerifyCopyData = {
  readonly path: string;
  readonly said: WireHead;
  readonly before: WireHead | undefined;
  readonly now: UnixMicros;
};

export type FromVerifyCopy =
  | Loaded
  | { readonly kind: "verified" }
  | { readonly kind: "failed"; readonly error: WireError };

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./verify-copy-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Verifies a copy as `verifyCopy` does, in a thread of its own: a large one takes minutes, in which the process has to answer.
 *
 * @throws BrokerError as there; NOT_SERVING when `signal` aborts
 */
export async function verifyCopyElsewhere(
  path: string,
  { said, before, now }: CopyTerms,
  signal: AbortSignal,
): Promise<void> {
  const givenUp = () => new BrokerError("NOT_SERVING", "the verification of the copy was given up");
  if (signal.aborted) throw givenUp();
  const wireBefore = before === undefined ? undefined : encodeHead(before);
  const workerData: VerifyCopyData = { path, said: encodeHead(said), before: wireBefore, now };
  const worker = startThread(ENTRY, { name: "copy verification", workerData });
  const end = endable(worker);
  const interrupt = (): void => void end();
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromVerifyCopy) => {
        if (message.kind === "verified") resolve();
        else if (message.kind === "failed") reject(decodeError(message.error));
      });
      worker.on("error", reject);
      worker.on("exit", () => reject(givenUp()));
    });
  } finally {
    signal.removeEventListener("abort", interrupt);
  }
  if (signal.aborted) throw givenUp();
}
