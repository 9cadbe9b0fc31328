import { bytesOfBase64 } from "./base64url.ts";

const HASH_BYTES = 32;
/** A tree of 2^63 leaves has no longer proof. */
const HASHES_MAX = 63;
const OLD_SIZE = /^old (0|[1-9][0-9]{0,15})$/;

/** That the tree of a checkpoint begins with an earlier one. */
export type AddCheckpoint = {
  readonly oldSize: number;
  readonly hashes: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
};

/**
 * The text in which a witness is asked, and in which a proof of consistency is kept.
 *
 * @see C2SP tlog-witness, "add-checkpoint"
 */
export function formatAddCheckpoint({ oldSize, hashes, checkpoint }: AddCheckpoint): string {
  const lines = [`old ${oldSize}`, ...hashes.map((hash) => Buffer.from(hash).toString("base64"))];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** Reads such a text; `undefined` for anything else. Neither the proof nor the checkpoint has been checked then. */
export function parseAddCheckpoint(text: string): AddCheckpoint | undefined {
  const end = text.indexOf("\n\n");
  const [first = "", ...lines] = text.slice(0, Math.max(0, end)).split("\n");
  const [, oldSize] = OLD_SIZE.exec(first) ?? [];
  const hashes = parseHashes(lines);
  if (oldSize === undefined || !Number.isSafeInteger(Number(oldSize)) || hashes === undefined) return undefined;
  return { oldSize: Number(oldSize), hashes, checkpoint: text.slice(end + 2) };
}

/** Reads a hash from each line; `undefined` where one is none, or they are too many. */
export function parseHashes(lines: readonly string[]): readonly Uint8Array[] | undefined {
  if (lines.length > HASHES_MAX) return undefined;
  const hashes = lines.map(bytesOfBase64);
  return hashes.every((one) => one?.length === HASH_BYTES) ? (hashes as Uint8Array[]) : undefined;
}
