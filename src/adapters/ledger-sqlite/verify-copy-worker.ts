import { parentPort, workerData } from "node:worker_threads";
import { loadDriver } from "./driver.ts";
import { LOADED } from "./end-thread.ts";
import { decodeHead, encodeError } from "./thread-messages.ts";
import { verifyCopy } from "./verify-copy.ts";
import type { FromVerifyCopy, VerifyCopyData } from "./verify-copy-thread.ts";

const port = parentPort;
if (port === null) throw new TypeError("the verification of a copy is not a program of its own");
const send = (message: FromVerifyCopy): void => port.postMessage(message);

const { path, said, before, now } = workerData as VerifyCopyData;
try {
  const driver = await loadDriver();
  send(LOADED);
  const terms = { said: decodeHead(said), before: before === undefined ? undefined : decodeHead(before), now };
  verifyCopy(driver, path, terms);
  send({ kind: "verified" });
} catch (thrown) {
  send({ kind: "failed", error: encodeError(thrown) });
}
