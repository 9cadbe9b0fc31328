import { FRAME_HEADER_BYTES, PREFACE } from "./first-bytes.ts";
import { pathInAuthority } from "./path-in-authority.ts";

/** What a client sent, in and out: the same bytes but for the slashes of an `:authority`. */
export type AuthorityFilter = {
  /** @returns what can be given on by now, in order. At most `HEADER_BLOCK_BYTES_MAX` stay behind. */
  pass(chunk: Buffer): readonly Buffer[];
  /** @returns what stayed behind, when no more will come. */
  end(): readonly Buffer[];
};

/** A frame header that is complete. */
type Frame = { readonly length: number; readonly type: number; readonly flags: number; readonly streamId: number };

/** A header block that is not complete: its frames as they came, and where in them the pieces of the block are. */
type OpenBlock = {
  readonly streamId: number;
  readonly frames: Buffer[];
  readonly pieces: Buffer[];
  bytes: number;
};

const HEADERS = 1;
const CONTINUATION = 9;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_BYTES = 5;
/** The largest frame that a server without a setting of its own takes. RFC 9113, section 6.5.2. */
const FRAME_BYTES_MAX = 16_384;
/** Frames of one header block together: as much as Node.js takes as the size of a request's fields. */
export const HEADER_BLOCK_BYTES_MAX = 65_536;

/**
 * Makes `.tmp.x.sock` of an `:authority` of `/tmp/x.sock`, which Node.js' HTTP/2 would refuse, by the bits that tell the two
 * apart. Nothing else is changed. Whatever it can't follow it gives on as it came, and all that comes after, for the server
 * behind it to refuse.
 *
 * @see RFC 9113 sections 4 and 6; RFC 7541
 */
export function createAuthorityFilter(): AuthorityFilter {
  /** Bytes that are given on without a look: of the preface, and of frames that hold no fields. */
  let passing = PREFACE.length;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  let wantedBytes = FRAME_HEADER_BYTES;
  let block: OpenBlock | undefined;
  let hasGivenUp = false;

  function startFrame(): void {
    gathered = [];
    gatheredBytes = 0;
    wantedBytes = FRAME_HEADER_BYTES;
  }

  function takeBehind(): readonly Buffer[] {
    const behind = [...(block?.frames ?? []), ...gathered];
    block = undefined;
    startFrame();
    return behind;
  }

  function giveUp(): readonly Buffer[] {
    hasGivenUp = true;
    return takeBehind();
  }

  /** What there is to give on once `wantedBytes` of a frame are there. */
  function onWanted(bytes: Buffer): readonly Buffer[] {
    gathered = [bytes];
    const frame = frameOf(bytes);
    const isOfBlock = frame.type === HEADERS || frame.type === CONTINUATION;
    if (frame.length > FRAME_BYTES_MAX || !mayFollow(frame, block)) return giveUp();
    if (!isOfBlock) {
      startFrame();
      passing = frame.length;
      return [bytes];
    }
    const frameBytes = FRAME_HEADER_BYTES + frame.length;
    if ((block?.bytes ?? 0) + frameBytes > HEADER_BLOCK_BYTES_MAX) return giveUp();
    wantedBytes = frameBytes;
    return bytes.length === frameBytes ? onHeaders(frame, bytes) : [];
  }

  function onHeaders(frame: Frame, bytes: Buffer): readonly Buffer[] {
    const piece = pieceOf(frame, bytes);
    if (piece === undefined) return giveUp();
    block ??= { streamId: frame.streamId, frames: [], pieces: [], bytes: 0 };
    block.frames.push(bytes);
    block.pieces.push(piece);
    block.bytes += bytes.length;
    startFrame();
    if ((frame.flags & END_HEADERS) === 0) return [];
    if (!rewrite(block.pieces)) return giveUp();
    return takeBehind();
  }

  return {
    pass(chunk) {
      const out: Buffer[] = [];
      let rest = chunk;
      while (rest.length > 0 && !hasGivenUp) {
        const taken = rest.subarray(0, passing > 0 ? passing : wantedBytes - gatheredBytes);
        rest = rest.subarray(taken.length);
        if (passing > 0) {
          passing -= taken.length;
          out.push(taken);
          continue;
        }
        gathered.push(taken);
        gatheredBytes += taken.length;
        // A copy, since what is gathered is written to, and the chunk is the caller's.
        if (gatheredBytes === wantedBytes) out.push(...onWanted(Buffer.concat(gathered)));
      }
      if (rest.length > 0) out.push(rest);
      return out;
    },
    end: takeBehind,
  };
}

function frameOf(bytes: Buffer): Frame {
  return {
    length: bytes.readUIntBE(0, 3),
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    streamId: bytes.readUInt32BE(5) & 0x7fff_ffff,
  };
}

/** Nothing may come between the frames of a header block. */
function mayFollow(frame: Frame, block: OpenBlock | undefined): boolean {
  if (block === undefined) return frame.type !== CONTINUATION;
  return frame.type === CONTINUATION && frame.streamId === block.streamId;
}

/** The piece of a header block that a frame holds, as a view of it; `undefined` when its padding is longer than it is. */
function pieceOf({ type, flags }: Frame, bytes: Buffer): Buffer | undefined {
  let begin = FRAME_HEADER_BYTES;
  let end = bytes.length;
  if (type === HEADERS && (flags & PADDED) !== 0) {
    end -= bytes[begin] ?? 0;
    begin += 1;
  }
  if (type === HEADERS && (flags & PRIORITY) !== 0) begin += PRIORITY_BYTES;
  return begin <= end ? bytes.subarray(begin, end) : undefined;
}

/** Changes the pieces in place. Returns `false`, and changes nothing, for a block that is malformed. */
function rewrite(pieces: readonly Buffer[]): boolean {
  const [only] = pieces;
  const whole = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  const edits = pathInAuthority(whole);
  if (edits === undefined) return false;
  for (const { offset, flip } of edits) whole.writeUInt8(whole.readUInt8(offset) ^ flip, offset);
  if (whole === only || edits.length === 0) return true;
  let at = 0;
  for (const piece of pieces) {
    whole.copy(piece, 0, at, at + piece.length);
    at += piece.length;
  }
  return true;
}
