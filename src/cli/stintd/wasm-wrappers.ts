import { setFlagsFromString } from "node:v8";

/** Calls of one wrapper: more than a process lives to make. */
const BUDGET = 2_000_000_000;

/**
 * Has V8 keep the wrappers by which WebAssembly calls JavaScript as they are first made. Node.js 24.20 compiles a wrapper anew after a
 * thousand calls, shares it among threads, and now and then ends the whole process (SIGSEGV, SIGTRAP) when one thread ends while another takes
 * such a wrapper up: seen once in some hundred threads that load TypeScript, as those of a checkout do. Cedar, and Node.js's own reader of
 * TypeScript, are WebAssembly. What it costs is a few nanoseconds a call. To be called before a thread is started.
 */
export function keepWasmWrappers(): void {
  setFlagsFromString(`--wasm-wrapper-tiering-budget=${BUDGET}`);
}
