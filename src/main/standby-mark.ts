import { existsSync } from "node:fs";
import { join } from "node:path";
import { readPrivateFile, removePrivateFile, writePrivateFile } from "../adapters/signer-disk/private-file.ts";
import { BrokerError } from "../domain/errors.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Heard } from "../follow/standby.ts";

/** What says of a data directory that its ledger is a copy of another broker's, and how far that broker was. */
export type StandbyMark = {
  /** `host:port` of the primary. */
  readonly of: string;
  readonly heard?: Heard;
};

const FILE = "standby.json";

/** @throws UnsafeFileError, or BrokerError NOT_SERVING where the file says nothing that can be read */
export async function readStandbyMark(dataDirectory: string): Promise<StandbyMark | undefined> {
  const path = join(dataDirectory, FILE);
  if (!existsSync(path)) return undefined;
  const { of, newest, heard_at: at, checkpoint } = membersOf((await readPrivateFile(path)).toString("utf8"));
  if (typeof of !== "string")
    throw new BrokerError("NOT_SERVING", "the mark of the standby is damaged", { detail: path });
  if (typeof newest !== "number" || typeof at !== "number") return { of };
  const shown = typeof checkpoint === "string" ? { checkpoint } : {};
  return { of, heard: { newest, at: at as UnixMicros, ...shown } };
}

export async function writeStandbyMark(dataDirectory: string, { of, heard }: StandbyMark): Promise<void> {
  const said = heard === undefined ? {} : { newest: heard.newest, heard_at: heard.at, checkpoint: heard.checkpoint };
  await writePrivateFile(dataDirectory, FILE, `${JSON.stringify({ of, ...said })}\n`);
}

export async function removeStandbyMark(dataDirectory: string): Promise<void> {
  await removePrivateFile(dataDirectory, FILE);
}

/**
 * Whatever were recorded in a copy would be in no other ledger, and nothing could be taken over into it any more.
 *
 * @throws BrokerError NOT_SERVING where the data directory is a standby's
 */
export async function checkNoStandby(dataDirectory: string): Promise<void> {
  const mark = await readStandbyMark(dataDirectory);
  if (mark === undefined) return;
  throw new BrokerError("NOT_SERVING", "the data directory is a standby's: stintd promote makes a broker's of it");
}

function membersOf(text: string): { readonly [name: string]: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
