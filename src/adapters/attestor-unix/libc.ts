import { getSystemErrorName } from "node:util";
import { errno, type KoffiFunc, load } from "koffi";

/** Failure of a call into the kernel, by its `errno` name, e.g. `EMFILE`. */
export type Failure = { readonly kind: "failure"; readonly errno: string };

/** What `SO_PEERCRED` says: the identity under which the other end called connect(2), in our namespaces. */
export type PeerCredentials = {
  readonly kind: "credentials";
  /** 0 when the process is outside our PID namespace. */
  readonly pid: number;
  /** Effective. */
  readonly uid: number;
  /** Effective. */
  readonly gid: number;
};

/** A descriptor that refers to one process for good, whatever becomes of its pid. The caller who got it closes it. */
export type Pidfd = { readonly kind: "pidfd"; readonly fd: number };

export type SocketPair = { readonly kind: "socket-pair"; readonly fds: readonly [number, number] };

export type Duplicate = { readonly kind: "duplicate"; readonly fd: number };

/** The few calls that Node.js has no API for. */
export type Libc = {
  /** Credentials of the other end of a connected unix socket. */
  peerCredentials(socketFd: number): PeerCredentials | Failure;
  /** A pidfd of the process that connected, even when it is gone. `ENOPROTOOPT` before Linux 6.5. */
  peerPidfd(socketFd: number): Pidfd | Failure;
  /** A pidfd of the process that has this pid now. `ESRCH` when there is none; needs Linux 5.3. */
  openPidfd(pid: number): Pidfd | Failure;
  /** Two stream sockets that are connected with each other. The caller who got them closes them. */
  socketPair(): SocketPair | Failure;
  /** Another descriptor of what `fd` refers to. The caller who got it closes it. */
  duplicate(fd: number): Duplicate | Failure;
  /** How many descriptors the process may have now: every descriptor is less, and a new one is the least that is free. */
  descriptorsMax(): number | Failure;
  /** Whether somebody keeps the kernel's clock synchronized, and by how much it may be off; `undefined` where that is not told. */
  clock(): { readonly isSynchronized: boolean; readonly maxErrorSeconds: number } | undefined;
  /** For each descriptor, whether its process has exited: a zombie has, a process with a running thread has not. */
  haveExited(pidfds: readonly number[]): readonly boolean[] | Failure;
};

// The same numbers on every architecture that Node.js is built for.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;
const SYS_PIDFD_OPEN = 434;
const POLLIN = 1;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2_000_000;
const RLIMIT_NOFILE = 7;
const F_DUPFD_CLOEXEC = 1030;
/** In `status` of `struct timex`. */
const STA_UNSYNC = 0x40;

const UCRED_BYTES = 12;
const INT_BYTES = 4;
/** `struct rlimit`: unsigned long current, maximum. */
const RLIMIT_BYTES = 16;
/** `struct timex` of 64 bits: unsigned int modes, 0 to change nothing; long offset, freq, maxerror (µs), esterror; int status; … */
const TIMEX_BYTES = 208;
const TIMEX_MAXERROR = 24;
const TIMEX_STATUS = 40;
const MICROSECONDS = 1_000_000;
/** `struct pollfd`: int fd; short events, revents. */
const POLLFD_BYTES = 8;

/** @throws Error when the C library cannot be loaded */
export function openLibc(): Libc {
  const library = load(null);
  const getsockopt = library.func("getsockopt", "int", ["int", "int", "int", "void *", "void *"]) as KoffiFunc<
    (fd: number, level: number, option: number, value: Buffer, bytes: Buffer) => number
  >;
  const poll = library.func("poll", "int", ["void *", "ulong", "int"]) as KoffiFunc<
    (fds: Buffer, count: number, timeoutMs: number) => number
  >;
  const syscall = library.func("syscall", "long", ["long", "long", "long"]) as KoffiFunc<
    (call: number, pid: number, flags: number) => number
  >;
  const socketpair = library.func("socketpair", "int", ["int", "int", "int", "void *"]) as KoffiFunc<
    (domain: number, type: number, protocol: number, fds: Buffer) => number
  >;
  const fcntl = library.func("fcntl", "int", ["int", "int", "int"]) as KoffiFunc<
    (fd: number, command: number, lowest: number) => number
  >;
  const getrlimit = library.func("getrlimit", "int", ["int", "void *"]) as KoffiFunc<
    (resource: number, limit: Buffer) => number
  >;
  const adjtimex = library.func("adjtimex", "int", ["void *"]) as KoffiFunc<(into: Buffer) => number>;
  // Every call is synchronous and copies its answer out, so one buffer each is enough.
  const credentials = Buffer.alloc(UCRED_BYTES);
  const descriptor = Buffer.alloc(INT_BYTES);
  const length = Buffer.alloc(INT_BYTES);
  const pair = Buffer.alloc(2 * INT_BYTES);
  const limit = Buffer.alloc(RLIMIT_BYTES);

  function option(fd: number, name: number, into: Buffer): Failure | undefined {
    length.writeInt32LE(into.length);
    return getsockopt(fd, SOL_SOCKET, name, into, length) === 0 ? undefined : lastFailure();
  }

  return {
    peerCredentials(socketFd) {
      return (
        option(socketFd, SO_PEERCRED, credentials) ?? {
          kind: "credentials",
          pid: credentials.readInt32LE(0),
          uid: credentials.readUInt32LE(4),
          gid: credentials.readUInt32LE(8),
        }
      );
    },
    peerPidfd(socketFd) {
      return option(socketFd, SO_PEERPIDFD, descriptor) ?? { kind: "pidfd", fd: descriptor.readInt32LE() };
    },
    openPidfd(pid) {
      const fd = Number(syscall(SYS_PIDFD_OPEN, pid, 0));
      return fd < 0 ? lastFailure() : { kind: "pidfd", fd };
    },
    socketPair() {
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) return lastFailure();
      return { kind: "socket-pair", fds: [pair.readInt32LE(0), pair.readInt32LE(INT_BYTES)] };
    },
    duplicate(fd) {
      const duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
      return duplicate < 0 ? lastFailure() : { kind: "duplicate", fd: duplicate };
    },
    descriptorsMax() {
      return getrlimit(RLIMIT_NOFILE, limit) === 0 ? Number(limit.readBigUInt64LE(0)) : lastFailure();
    },
    clock() {
      const timex = Buffer.alloc(TIMEX_BYTES);
      if (adjtimex(timex) < 0) return undefined;
      return {
        isSynchronized: (timex.readInt32LE(TIMEX_STATUS) & STA_UNSYNC) === 0,
        maxErrorSeconds: Number(timex.readBigInt64LE(TIMEX_MAXERROR)) / MICROSECONDS,
      };
    },
    haveExited(pidfds) {
      const set = Buffer.alloc(POLLFD_BYTES * pidfds.length);
      pidfds.forEach((fd, index) => {
        set.writeInt32LE(fd, index * POLLFD_BYTES);
        set.writeInt16LE(POLLIN, index * POLLFD_BYTES + 4);
      });
      // A pending signal, for example a profiler's, interrupts even a poll that does not wait: the poll is then
      // repeated.
      while (poll(set, pidfds.length, 0) < 0) {
        const failure = lastFailure();
        if (failure.errno !== "EINTR") return failure;
      }
      // Any event counts as an exit: an error or a closed descriptor must not pass for a live process.
      return pidfds.map((_, index) => set.readInt16LE(index * POLLFD_BYTES + 6) !== 0);
    },
  };
}

function lastFailure(): Failure {
  return { kind: "failure", errno: getSystemErrorName(-errno()) };
}

/** Whether a call failed for want of descriptors or memory, which says nothing about the process that was asked about. */
export function isExhaustion(code: string | undefined): boolean {
  return code === "EMFILE" || code === "ENFILE" || code === "ENOMEM" || code === "ENOBUFS";
}

/** Attesting a caller takes one or two at a time, hashing an executable and writing a checkpoint one each. */
const DESCRIPTORS_KEPT = 8;

/** Whether `fd`, just got, is among the last that the process may have, which are kept for what is being served. */
export function isOneOfTheLast(libc: Pick<Libc, "descriptorsMax">, fd: number): boolean {
  const max = libc.descriptorsMax();
  return typeof max !== "number" || fd >= max - DESCRIPTORS_KEPT;
}
