import { type Diagnosis, error, ok, warning } from "./diagnosis.ts";
import type { Mount } from "./mounts.ts";

const MEBIBYTE = 1024 * 1024;
/** A disk that has no more than this above the limit will be at the limit soon. */
const NEAR_FACTOR = 2;
/** SQLite's write-ahead log is memory that all who have the database open share, which a network does not. */
const OVER_A_NETWORK =
  /^(?:nfs[0-9]*|cifs|smb[0-9]*|9p|afs|ceph|lustre|glusterfs|virtiofs|beegfs|fuse\.(?:sshfs|glusterfs|s3fs|rclone|gcsfuse))$/;
const IN_MEMORY = /^(?:tmpfs|ramfs)$/;

export type DiskFacts = {
  /** The data directory, or what is there of the way to it. */
  readonly path: string;
  readonly freeBytes: number;
  readonly freeInodes: number;
  /** 0 for a file system that makes them as it needs them. */
  readonly inodes: number;
  readonly mount: Mount | undefined;
  /** `errno` of fsync(2) on the directory; `undefined` where it works, or could not be tried. */
  readonly fsync: string | undefined;
  readonly freeBytesMin: number;
  /** What the first start takes besides; 0 once it has. */
  readonly reserveBytes: number;
};

export function checkDisk(facts: DiskFacts): readonly Diagnosis[] {
  return [...ofSpace(facts), ...ofInodes(facts), ...ofFileSystem(facts)];
}

function ofSpace({ path, freeBytes, freeBytesMin, reserveBytes }: DiskFacts): readonly Diagnosis[] {
  const [free, needed] = [mib(freeBytes), mib(freeBytesMin + reserveBytes)];
  const what = `${free} free at ${path}, where at least ${needed} are needed`;
  const mend = `make room (du -x --max-depth=1 ${path}), or a disk of its own for data_directory`;
  if (freeBytes < freeBytesMin + reserveBytes) {
    const why = "nothing is opened or issued (LEDGER_UNAVAILABLE) while less is free than ledger.disk_free_bytes_min";
    return [error("disk", { what, why, mend })];
  }
  if (freeBytes < NEAR_FACTOR * (freeBytesMin + reserveBytes)) {
    return [
      warning("disk", { what, why: "issuing stops when it is less, and the ledger grows with each event", mend }),
    ];
  }
  return [ok("disk", what)];
}

function ofInodes({ path, freeInodes, inodes }: DiskFacts): readonly Diagnosis[] {
  if (inodes === 0 || freeInodes > 0) return [];
  const what = `no file can be made at ${path}: no inodes are left`;
  const why = "keys and the journal of the ledger are new files";
  return [error("disk", { what, why, mend: `remove files there (df -i ${path})` })];
}

function ofFileSystem({ path, mount, fsync }: DiskFacts): readonly Diagnosis[] {
  const found: Diagnosis[] = [];
  const type = mount?.type ?? "";
  const mend = "a directory on a disk of this machine (ext4, xfs, btrfs) for data_directory";
  if (mount?.options.includes("ro") === true) {
    const why = "the broker records before it signs: stintd does not start";
    found.push(
      error("disk", {
        what: `${path} is on a file system that is read-only`,
        why,
        mend: `mount -o remount,rw ${mount.point}`,
      }),
    );
  }
  if (fsync !== undefined) {
    const why = "what is recorded would not be there after a power cut, though credentials were signed for it";
    found.push(error("disk", { what: `fsync does not work at ${path} (${fsync})`, why, mend }));
  }
  if (OVER_A_NETWORK.test(type)) {
    const why = "SQLite's write-ahead log does not work over a network: the ledger may be damaged";
    found.push(warning("disk", { what: `${path} is on ${type}`, why, mend }));
  } else if (IN_MEMORY.test(type)) {
    const why = "keys and ledger are gone after a reboot";
    found.push(warning("disk", { what: `${path} is in memory (${type})`, why, mend }));
  } else if (type === "overlay") {
    const why = "keys and ledger are gone with the container";
    found.push(
      warning("disk", {
        what: `${path} is in a container's own layer (overlay)`,
        why,
        mend: "a volume for data_directory",
      }),
    );
  }
  return found;
}

function mib(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(0)} MiB`;
}
