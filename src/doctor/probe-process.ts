import { readFileSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type Mount, parseMounts } from "./mounts.ts";

/** A socket that accepts and does not go on is one that nobody serves. */
const CONNECT_MS = 2_000;

/** What /proc says of a process, each part as far as it is shown to whoever asks. */
export type ProcessParts = {
  readonly pidNamespace: string | undefined;
  /** Effective, a bit each. */
  readonly capabilities: bigint | undefined;
  /** RLIMIT_NOFILE, the soft one. */
  readonly openFilesMax: number | undefined;
};

/** @param pid - or `self`. */
export function processParts(pid: number | "self"): ProcessParts {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  const openFiles = /^Max open files\s+(\d+|unlimited)/m.exec(textOf(`/proc/${pid}/limits`))?.[1];
  return {
    pidNamespace: namespaceOf(pid),
    capabilities: capabilities === undefined ? undefined : BigInt(`0x${capabilities}`),
    openFilesMax:
      openFiles === undefined ? undefined : openFiles === "unlimited" ? Number.POSITIVE_INFINITY : Number(openFiles),
  };
}

export function mounts(): readonly Mount[] {
  return parseMounts(textOf("/proc/self/mountinfo"));
}

/** Yama's; `undefined` where the kernel has none. */
export function ptraceScope(): number | undefined {
  const text = textOf("/proc/sys/kernel/yama/ptrace_scope").trim();
  return text === "" ? undefined : Number(text);
}

/** Whether this user namespace has a number for every user. */
export function mapsAllUsers(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(textOf("/proc/self/uid_map"));
}

function namespaceOf(pid: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`).replace(/\D/g, "");
  } catch {
    return undefined;
  }
}

/** Empty where it can't be read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/**
 * Connects, and hangs up without a word.
 *
 * @param look - at the socket, while it is connected.
 * @returns `listens` or the `errno`; and what was seen
 */
export function tryConnect<Seen>(
  place: { readonly path: string } | { readonly host: string; readonly port: number },
  look: (socket: Socket) => Seen | undefined,
): Promise<{ readonly connected: string; readonly seen: Seen | undefined }> {
  return new Promise((resolve) => {
    const socket = connect(place);
    const end = (connected: string, seen?: Seen) => {
      socket.destroy();
      resolve({ connected, seen });
    };
    socket.setTimeout(CONNECT_MS, () => end("ETIMEDOUT"));
    socket.once("error", (thrown: NodeJS.ErrnoException) => end(thrown.code ?? "unknown"));
    socket.once("connect", () => end("listens", look(socket)));
  });
}
