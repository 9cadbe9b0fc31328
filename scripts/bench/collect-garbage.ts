// Loaded into a daemon before its own code (`--import`): its main thread collects its garbage each second and a half, so that what its heap has
// is what lives.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

const INTERVAL_MS = 1_500;

if (isMainThread) {
  setFlagsFromString("--expose-gc");
  setInterval(runInNewContext("gc") as () => void, INTERVAL_MS).unref();
}
