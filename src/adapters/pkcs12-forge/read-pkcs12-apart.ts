import { once } from "node:events";
import { extname } from "node:path";
import { startThread } from "../../package/start.ts";
import { Pkcs12Error } from "./pkcs12-error.ts";
import type { Pkcs12Answer, Pkcs12Wanted } from "./pkcs12-worker.ts";
import type { Pkcs12 } from "./read-pkcs12.ts";

/**
 * Reads a PKCS #12 file as `readPkcs12` does, beside the event loop: a file that was made to be slow takes seconds, in which a
 * broker that runs has others to answer.
 *
 * @throws Pkcs12Error
 */
export async function readPkcs12Apart(file: Uint8Array, password: string): Promise<Pkcs12> {
  const workerData: Pkcs12Wanted = { file, password };
  // The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is.
  const entry = new URL(`./pkcs12-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = startThread(entry, { name: "pkcs12", workerData });
  try {
    const [answer] = (await once(worker, "message")) as [Pkcs12Answer];
    if (answer.kind === "refusal") throw new Pkcs12Error(answer.why);
    return answer.read;
  } finally {
    await worker.terminate();
  }
}
