import { parseHashes } from "./add-checkpoint.ts";
import { bytesOfBase64 } from "./base64url.ts";

/** The first line of a proof's text. */
export const TLOG_PROOF_HEADER = "c2sp.org/tlog-proof@v1";
const INDEX_LINE = /^index (0|[1-9][0-9]{0,15})$/;

/** That an entry is a leaf of the tree that a checkpoint is about: all that it takes to check it, in one text. */
export type TlogProof = {
  /** Bytes beside the proof that nothing covers; of this ledger's proofs, the entry itself. */
  readonly extra?: Uint8Array;
  /** From 0. */
  readonly leafIndex: number;
  readonly hashes: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
};

/** @see C2SP tlog-proof */
export function formatTlogProof({ extra, leafIndex, hashes, checkpoint }: TlogProof): string {
  const lines = [
    TLOG_PROOF_HEADER,
    ...(extra === undefined ? [] : [`extra ${base64(extra)}`]),
    `index ${leafIndex}`,
    ...hashes.map(base64),
  ];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** Reads such a text; `undefined` for anything else. Neither the proof nor the checkpoint has been checked then. */
export function parseTlogProof(text: string): TlogProof | undefined {
  const end = text.indexOf("\n\n");
  const [header, ...lines] = text.slice(0, Math.max(0, end)).split("\n");
  if (header !== TLOG_PROOF_HEADER) return undefined;
  const extraLine = lines[0]?.startsWith("extra ") ? lines.shift() : undefined;
  const extra = extraLine === undefined ? undefined : bytesOfBase64(extraLine.slice("extra ".length));
  const [, index] = INDEX_LINE.exec(lines.shift() ?? "") ?? [];
  const hashes = parseHashes(lines);
  if ((extraLine !== undefined && extra === undefined) || index === undefined || hashes === undefined) return undefined;
  if (!Number.isSafeInteger(Number(index))) return undefined;
  return {
    ...(extra === undefined ? {} : { extra }),
    leafIndex: Number(index),
    hashes,
    checkpoint: text.slice(end + 2),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
