import { bytesOfBase64 } from "./base64url.ts";

const ROOT_BYTES = 32;
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/;
const ORIGIN = /^([^/]+)\/stint\/ledger\/([^/]+)$/;

/** What a log says of its tree. */
export type Checkpoint = {
  /** Names the log; also the name of the key that signs. */
  readonly origin: string;
  /** Leaves of the tree. */
  readonly size: number;
  /** RFC 6962 root hash, 32 bytes. */
  readonly rootHash: Uint8Array;
};

/**
 * The origin of a ledger's checkpoints. It names the epoch: a ledger that was put back and accepted is another log, so
 * that two checkpoints of one size with two roots never bear one name.
 */
export function checkpointOrigin(trustDomain: string, epoch: string): string {
  return `${trustDomain}/stint/ledger/${epoch}`;
}

/** The origin of a signed checkpoint, or of its text: the first line. */
export function checkpointOriginOf(note: string): string {
  return note.slice(0, Math.max(0, note.indexOf("\n")));
}

/** Trust domain and epoch of an origin; `undefined` for the origin of another kind of log. */
export function ledgerOfOrigin(origin: string): { readonly trustDomain: string; readonly epoch: string } | undefined {
  const [, trustDomain, epoch] = ORIGIN.exec(origin) ?? [];
  return trustDomain === undefined || epoch === undefined ? undefined : { trustDomain, epoch };
}

/**
 * The text that is signed.
 *
 * @see C2SP tlog-checkpoint
 */
export function checkpointText({ origin, size, rootHash }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(rootHash).toString("base64")}\n`;
}

/**
 * Reads such a text. Lines behind the root are an extension, and passed over.
 *
 * @returns `undefined` for anything else.
 */
export function parseCheckpointText(text: string): Checkpoint | undefined {
  const [origin, size, root, ...rest] = text.split("\n");
  if (origin === undefined || origin === "" || size === undefined || !SIZE.test(size)) return undefined;
  const rootHash = root === undefined ? undefined : bytesOfBase64(root);
  if (rootHash?.length !== ROOT_BYTES || rest.pop() !== "" || rest.includes("")) return undefined;
  return Number.isSafeInteger(Number(size)) ? { origin, size: Number(size), rootHash } : undefined;
}
