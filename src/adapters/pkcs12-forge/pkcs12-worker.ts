import { parentPort, workerData } from "node:worker_threads";
import { Pkcs12Error } from "./pkcs12-error.ts";
import { type Pkcs12, readPkcs12 } from "./read-pkcs12.ts";

/* Reads one PKCS #12 file in a thread of its own. */

/** What the worker is given. */
export type Pkcs12Wanted = { readonly file: Uint8Array; readonly password: string };

/** What it answers. */
export type Pkcs12Answer =
  | { readonly kind: "read"; readonly read: Pkcs12 }
  | { readonly kind: "refusal"; readonly why: string };

function answerTo({ file, password }: Pkcs12Wanted): Pkcs12Answer {
  try {
    return { kind: "read", read: readPkcs12(file, password) };
  } catch (thrown) {
    if (!(thrown instanceof Pkcs12Error)) throw thrown;
    return { kind: "refusal", why: thrown.message };
  }
}

parentPort?.postMessage(answerTo(workerData as Pkcs12Wanted));
