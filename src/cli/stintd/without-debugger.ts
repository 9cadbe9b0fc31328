import process from "node:process";

const FLAG = "--disable-sigusr1";

/**
 * Sees to it that no signal opens Node's debugger: it would listen on a port to which every local user may speak, and
 * whoever speaks there is the broker. Node.js heeds the flag only at its start, so a daemon without the flag starts anew
 * in its own place, with the same pid.
 */
export function withoutDebugger(): void {
  if (process.execArgv.includes(FLAG)) return;
  const environment = Object.entries(process.env).filter((one): one is [string, string] => one[1] !== undefined);
  // Node.js says on standard error that the call is new.
  process.removeAllListeners("warning");
  const args = [process.execPath, FLAG, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(process.execPath, args, Object.fromEntries(environment));
}
