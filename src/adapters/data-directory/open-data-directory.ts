import { constants } from "node:fs";
import { type FileHandle, mkdir, open, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BrokerError } from "../../domain/errors.ts";

/** Where the broker keeps what must survive a restart. Every directory is the broker's own and closed to all others. */
export type DataDirectory = {
  readonly path: string;
  /** Directory of the private keys. */
  readonly keys: string;
  /** Directory of the database, its journal and the reserve. */
  readonly ledger: string;
  /** Directory of the tables that follow from a log elsewhere; may be deleted while no broker runs. */
  readonly replica: string;
  /** Directory of the keys of principals; outside `ledger`, so that a copy of the ledger has none of them. */
  readonly principals: string;
  /** Directory of what is needed to end secrets of other systems; outside `ledger` for the same reason. */
  readonly exchanges: string;
  /** File of the last acknowledged head; outside `ledger`, so that putting back the ledger leaves the head alone. */
  readonly checkpoint: string;
};

const OWNER_ONLY = 0o700;
const WORLD_WRITABLE = 0o002;
const STICKY = 0o1000;
/** Refuses a symlink, and anything else that is no directory, in the same call that opens it. */
const DIRECTORY_ITSELF = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens the data directory, and makes it where it is missing (its parent has to be there).
 *
 * @param path - absolute.
 * @throws BrokerError NOT_SERVING when it is not fit to keep keys in: looser than 0700, another user's, a symlink, a
 *   file, or below a directory where anybody may put another in its place. `detail` names the path and what is wrong.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  // A trailing slash would make the system follow a symlink that is the last component.
  const root = resolve(path);
  if (root !== path.replace(/(?<=.)\/+$/, "")) throw unfit(path, "expected an absolute path without '.' or '..'");
  await checkAncestors(root);
  await ownDirectory(root);
  const directory: DataDirectory = {
    path: root,
    keys: join(root, "keys"),
    ledger: join(root, "ledger"),
    replica: join(root, "replica"),
    principals: join(root, "principals"),
    exchanges: join(root, "exchanges"),
    checkpoint: join(root, "checkpoint"),
  };
  await ownDirectory(directory.keys);
  await ownDirectory(directory.ledger);
  await ownDirectory(directory.replica);
  await ownDirectory(directory.principals);
  await ownDirectory(directory.exchanges);
  return directory;
}

/** Whoever may rename a directory on the way can put one of their own there, whatever the modes below it say. */
async function checkAncestors(root: string): Promise<void> {
  let ancestor = await attempt(root, "its parent directory has to exist", () => realpath(dirname(root)));
  for (;;) {
    const { mode } = await attempt(ancestor, "expected a directory that can be read", () => stat(ancestor));
    if ((mode & WORLD_WRITABLE) !== 0 && (mode & STICKY) === 0) {
      throw unfit(ancestor, `anybody may write here (mode ${octal(mode)}), so nothing below it is safe`);
    }
    const above = dirname(ancestor);
    if (above === ancestor) return;
    ancestor = above;
  }
}

async function ownDirectory(path: string): Promise<void> {
  const isNew = await attempt(path, "can't be created", () => made(path));
  const handle = await attempt(path, "expected a directory, and no symlink", () => open(path, DIRECTORY_ITSELF));
  try {
    // The descriptor is checked, and not the path, so that what was opened is what is checked.
    const { mode, uid } = await handle.stat();
    if (uid !== process.geteuid?.())
      throw unfit(path, `belongs to uid ${uid}, not to the user that the broker runs as`);
    if ((mode & 0o777) !== OWNER_ONLY) throw unfit(path, `mode ${octal(mode)}, expected 0700`);
  } finally {
    await handle.close();
  }
  if (isNew) await attempt(path, "can't be made durable", () => syncDirectory(dirname(path)));
}

/** @returns whether the directory was missing. The umask can take permissions away, which the check then finds. */
async function made(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: OWNER_ONLY });
    return true;
  } catch (thrown) {
    if (hasCode(thrown, "EEXIST")) return false;
    throw thrown;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle: FileHandle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function attempt<T>(path: string, expected: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    throw unfit(path, expected, thrown);
  }
}

function unfit(path: string, why: string, cause?: unknown): BrokerError {
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return new BrokerError("NOT_SERVING", "the data directory is not fit to keep keys in", {
    detail: `${path}: ${why}${code}`,
    cause,
  });
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
