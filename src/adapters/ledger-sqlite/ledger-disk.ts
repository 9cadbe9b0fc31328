import { statfsSync, statSync } from "node:fs";

/** Free bytes on the disk of a directory; 0 where the system can't tell, so that no act that gives authority is done. */
export function freeBytesIn(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** 0 for a file that is not there. */
export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What a database takes, its write-ahead log included. */
export function databaseBytes(path: string): number {
  return fileBytes(path) + fileBytes(`${path}-wal`);
}
