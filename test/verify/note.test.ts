import { createPrivateKey, sign } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkpointText, parseCheckpointText } from "../../src/domain/checkpoint.ts";
import { leafHash } from "../../src/domain/merkle-tree.ts";
import {
  formatNote,
  formatNoteKey,
  type NoteKey,
  noteKeyId,
  parseNote,
  parseNoteKey,
} from "../../src/domain/signed-note.ts";
import { openNote } from "../../src/verify/note.ts";

// The specification's own example.
const SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE =
  "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

// A log whose key has the seed 07 07 …, and whose checkpoint other programs have verified.
const LOG_KEY = "broker.example/ledger+e50bd6b7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
const LOG_CHECKPOINT =
  "broker.example/ledger\n300\nR5gGuXnLjCD4XDk1DdHbNDi63kY0ePdWa0YVilXqn+s=\n\n— broker.example/ledger 5QvWtyREdeDqtpNbkCOthdZyjRFlT6Erv+JlcIJ95wtbFexbnyRc599JUgYvv2dlG77vkMQTuccd2ikLdC7lDwmbCAU=\n";

const keyOf = (text: string): NoteKey => parseNoteKey(text) ?? expect.unreachable(text);

const seeded = (seed: number) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, seed)]),
    format: "der",
    type: "pkcs8",
  });

/** A signature of the log under its name. */
function signedByLog(text: string) {
  const key = keyOf(LOG_KEY);
  return { name: key.name, keyId: noteKeyId(key), bytes: new Uint8Array(sign(null, Buffer.from(text), seeded(7))) };
}

test.for([
  { what: "the specification's example", key: SPEC_KEY, note: SPEC_NOTE },
  { what: "a checkpoint that other programs verify", key: LOG_KEY, note: LOG_CHECKPOINT },
])("$what is verified, and is written again as it was", ({ key, note }) => {
  const opened = openNote(note, [keyOf(key)]);
  expect(opened).toEqual({
    kind: "verified",
    text: note.slice(0, note.lastIndexOf("\n\n") + 1),
    signedBy: [{ key: keyOf(key) }],
  });
  expect(formatNoteKey(keyOf(key))).toBe(key);
  expect(formatNote(parseNote(note) ?? expect.unreachable())).toBe(note);
});

test("a checkpoint is read and written", () => {
  const { text } = parseNote(LOG_CHECKPOINT) ?? expect.unreachable();
  const checkpoint = parseCheckpointText(text) ?? expect.unreachable();
  expect(checkpoint).toMatchObject({ origin: "broker.example/ledger", size: 300 });
  expect(checkpointText(checkpoint)).toBe(text);
});

test("whichever byte of a note is changed, it is refused, or only a signature that nobody knows is another", () => {
  const bytes = Buffer.from(LOG_CHECKPOINT);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const tampered = Buffer.from(bytes);
      tampered[at] = (tampered[at] ?? 0) ^ change;
      expect(openNote(tampered.toString(), [keyOf(LOG_KEY)]).kind).toBe("refused");
    }),
    { numRuns: 500 },
  );
});

test("signatures of unknown keys are passed over; a known key's that does not hold spoils the note", () => {
  const { text, signatures } = parseNote(LOG_CHECKPOINT) ?? expect.unreachable();
  const stranger = { name: "stranger.example", keyId: "00000000", bytes: new Uint8Array(64) };
  expect(openNote(formatNote({ text, signatures: [stranger, ...signatures] }), [keyOf(LOG_KEY)]).kind).toBe("verified");
  expect(openNote(formatNote({ text, signatures: [stranger] }), [keyOf(LOG_KEY)])).toEqual({
    kind: "refused",
    why: "no key that was given has signed it",
  });
  const spoiled = { ...signedByLog(text), bytes: new Uint8Array(64) };
  expect(openNote(formatNote({ text, signatures: [...signatures, spoiled] }), [keyOf(LOG_KEY)])).toEqual({
    kind: "refused",
    why: "the signature of broker.example/ledger does not hold",
  });
});

test("a witness's signature holds at the instant that it names, and at no other", () => {
  const { publicKey } = keyOf(LOG_KEY);
  const key: NoteKey = { name: "witness.example/w", type: "cosignature", publicKey };
  const { text } = parseNote(LOG_CHECKPOINT) ?? expect.unreachable();
  const signature = (stated: bigint) => {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(stated);
    const bytes = Buffer.concat([time, sign(null, Buffer.from(`cosignature/v1\ntime 1700000000\n${text}`), seeded(7))]);
    return { name: key.name, keyId: noteKeyId(key), bytes };
  };
  expect(openNote(formatNote({ text, signatures: [signature(1_700_000_000n)] }), [key])).toEqual({
    kind: "verified",
    text,
    signedBy: [{ key, at: 1_700_000_000 }],
  });
  expect(openNote(formatNote({ text, signatures: [signature(1_700_000_001n)] }), [key]).kind).toBe("refused");
  expect(parseNoteKey(formatNoteKey(key))).toEqual(key);
});

test.for([
  { what: "of no name", key: LOG_KEY.replace("broker.example/ledger", "") },
  { what: "whose id is another key's", key: LOG_KEY.replace("e50bd6b7", "e50bd6b8") },
  { what: "renamed", key: LOG_KEY.replace("broker", "another") },
  { what: "of a kind that is not known", key: `a+00000000+${Buffer.alloc(33, 6).toString("base64")}` },
  { what: "cut short", key: LOG_KEY.slice(0, -4) },
  { what: "with a space in its name", key: LOG_KEY.replace("broker", "bro ker") },
])("a verifier key $what is none", ({ key }) => {
  expect(parseNoteKey(key)).toBeUndefined();
});

test.for([
  { what: "without signatures", note: "a\n\n" },
  { what: "whose text is not a line", note: SPEC_NOTE.replace("message.\n\n", "message.") },
  { what: "with a tab in its text", note: SPEC_NOTE.replace("example message", "example\tmessage") },
  { what: "with bytes that are no UTF-8", note: SPEC_NOTE.replace("example message", "example\ufffdmessage") },
  { what: "with a hyphen for the dash", note: SPEC_NOTE.replace("—", "-") },
  { what: "that does not end its last line", note: SPEC_NOTE.slice(0, -1) },
])("a note $what is none", ({ note }) => {
  expect(openNote(note, [keyOf(SPEC_KEY)])).toEqual({ kind: "refused", why: "it is no signed note" });
});

test.for([
  { what: "a size with a sign", text: `o\n-1\n${Buffer.alloc(32).toString("base64")}\n` },
  { what: "a size with leading zeros", text: `o\n01\n${Buffer.alloc(32).toString("base64")}\n` },
  { what: "a size that no number holds", text: `o\n9007199254740993\n${Buffer.alloc(32).toString("base64")}\n` },
  { what: "a shorter root", text: `o\n1\n${Buffer.alloc(31).toString("base64")}\n` },
  { what: "a root without padding", text: `o\n1\n${Buffer.from(leafHash(Buffer.alloc(0))).toString("base64url")}\n` },
  { what: "no origin", text: `\n1\n${Buffer.alloc(32).toString("base64")}\n` },
  { what: "no last line feed", text: `o\n1\n${Buffer.alloc(32).toString("base64")}` },
  { what: "an empty line behind it", text: `o\n1\n${Buffer.alloc(32).toString("base64")}\n\n` },
])("a text with $what is no checkpoint", ({ text }) => {
  expect(parseCheckpointText(text)).toBeUndefined();
});
