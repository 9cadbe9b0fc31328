import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { connect, type Server } from "node:net";
import { dirname, isAbsolute, join, normalize } from "node:path";
import process from "node:process";
import { BrokerError } from "../../domain/errors.ts";

/** Where a socket is to stand, and who may connect to it. */
export type SocketPlace = {
  readonly path: string;
  /** Permission bits, e.g. `0o666` where attestation decides who gets what, `0o600` for operators. */
  readonly mode: number;
  /** Group that is to own it; needed for `0o660` only. */
  readonly gid?: number;
};

export type BoundSocket = {
  /** Removes the path if it still leads to this socket; leaves alone what others put there meanwhile. Idempotent. */
  release(): void;
};

const TAKEN_OVER = "somebody else took it over just now";
/** `sun_path` holds 108 bytes with the closing zero. */
const PATH_BYTES_MAX = 107;
/** `/.AbCdEf/AbCdEf`: where the socket is bound before it is put into place. */
const PRIVATE_NAME_BYTES = 15;
/** The kernel cuts the backlog to net.core.somaxconn; Node.js's own 511 refuses callers that come all at once. */
const BACKLOG = 4_096;

/**
 * Makes a server listen at a path without ever touching what is not ours: a link, a file, or a socket that somebody
 * listens on or that belongs to another user is left as it is, and the path is refused. Only a socket of our own uid on
 * which nobody listens any more makes room.
 *
 * The socket is bound in a private directory and linked into place with its final mode and group, so that it is never
 * open to more users than it should be. On close Node.js removes only the name that the socket was bound by, not this
 * path.
 *
 * @throws BrokerError NOT_SERVING naming the path and what is wrong with it
 * @see unix(7)
 */
export async function bindSocket(server: Server, place: SocketPlace): Promise<BoundSocket> {
  const { path } = place;
  checkPath(path);
  const directory = checkDirectory(path);
  checkLength(path, Buffer.byteLength(directory) + PRIVATE_NAME_BYTES);
  const privateDirectory = makePrivateDirectory(path, directory);
  const boundPath = join(privateDirectory, privateDirectory.slice(-6));
  try {
    await makeRoom(path, privateDirectory);
    await listen(server, boundPath, path);
    try {
      if (place.gid !== undefined) chownSync(boundPath, -1, place.gid);
      chmodSync(boundPath, place.mode);
      // Unlike a rename, a link fails where the path exists already.
      linkSync(boundPath, path);
      const own = lstatSync(path);
      return { release: () => releaseIfOwn(path, own) };
    } catch (cause) {
      server.close();
      throw refused(path, "the socket could not be put there", cause);
    }
  } finally {
    rmSync(privateDirectory, { recursive: true, force: true });
  }
}

function checkPath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path || path.endsWith("/")) {
    throw refused(path, "it must be an absolute path without '.', '..' or empty parts");
  }
  checkLength(path, Buffer.byteLength(path));
}

function checkLength(path: string, bytes: number): void {
  if (bytes <= PATH_BYTES_MAX) return;
  throw refused(path, `a socket's path has at most ${PATH_BYTES_MAX} bytes: choose a shorter directory`);
}

/** Whoever can write to the directory can put a socket of his own in the place of ours, and be taken for the broker. */
function checkDirectory(path: string): string {
  const given = dirname(path);
  let directory: string;
  let stats: Stats;
  try {
    directory = realpathSync(given);
    stats = statSync(directory);
  } catch (cause) {
    throw refused(path, "its directory does not exist", cause);
  }
  if (!stats.isDirectory()) throw refused(path, "its directory is none");
  const isOwn = stats.uid === 0 || stats.uid === process.geteuid?.();
  if (!isOwn) throw refused(path, "its directory belongs to another user");
  const isWritableByAll = (stats.mode & 0o002) !== 0;
  const isSticky = (stats.mode & 0o1000) !== 0;
  if (isWritableByAll && !isSticky) throw refused(path, "its directory is writable by everybody");
  return directory;
}

function makePrivateDirectory(path: string, directory: string): string {
  try {
    // Not by `join`, which would drop the dot, so that the new directory would stand beside this one.
    return mkdtempSync(`${directory}/.`);
  } catch (cause) {
    throw refused(path, "its directory can't be written to", cause);
  }
}

async function makeRoom(path: string, privateDirectory: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSymbolicLink()) throw refused(path, "a symbolic link stands there");
  if (!found.isSocket()) throw refused(path, "something stands there that is not a socket");
  if (await isListenedOn(path)) throw refused(path, "somebody listens there already");
  if (found.uid !== process.geteuid?.()) throw refused(path, "a socket of another user stands there");
  takeAway(path, found, join(privateDirectory, "stale"));
}

/** Another broker may have taken the stale socket first and listen there by now: so look at what was taken. */
function takeAway(path: string, expected: Stats, aside: string): void {
  try {
    renameSync(path, aside);
    if (isSame(lstatSync(aside), expected)) return;
    linkSync(aside, path);
  } catch (cause) {
    throw refused(path, TAKEN_OVER, cause);
  }
  throw refused(path, TAKEN_OVER);
}

/** Only a refused connection shows that nobody listens; any other outcome may be a listener's doing. */
function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => resolve(!("code" in error && error.code === "ECONNREFUSED")));
  });
}

function listen(server: Server, boundPath: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(refused(path, "the socket could not be bound", cause));
    server.once("error", fail);
    server.listen({ path: boundPath, backlog: BACKLOG }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function releaseIfOwn(path: string, own: Stats): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && isSame(found, own)) unlinkSync(path);
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function refused(path: string, reason: string, cause?: unknown): BrokerError {
  return new BrokerError("NOT_SERVING", `socket ${path}: ${reason}`, { cause });
}
