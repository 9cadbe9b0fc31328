import { hash } from "node:crypto";
import { bytesOfBase64 } from "./base64url.ts";

/** What a key signs: the text itself, or the text at an instant, as a witness does. */
const KEY_TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;
export type NoteKeyType = keyof typeof KEY_TYPES;

/** Ed25519, raw. */
const PUBLIC_KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
/** More signatures than any log has witnesses; a note is read before anything of it is believed. */
const SIGNATURES_MAX = 100;
/** An em dash begins each signature. */
const SIGNATURE_LINE = /^— ([^ +]+) ([A-Za-z0-9+/]+={0,2})$/u;
const VERIFIER_KEY = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
/** What no line may hold; the replacement character stands for bytes that were no UTF-8. */
const CONTROL = /[\p{Cc}\ufffd]/u;
const KEY_NAME = /^[^\s+\p{Cc}]+$/u;

/** The public part of a key that signs notes. */
export type NoteKey = {
  /** Without spaces and without `+`; of a log, its origin. */
  readonly name: string;
  readonly type: NoteKeyType;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
};

export type NoteSignature = {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly keyId: string;
  /** What comes behind the key's id. */
  readonly bytes: Uint8Array;
};

export type SignedNote = {
  /** Lines, each with its line feed: what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
};

/** By which a signature names its key, and its name: 8 hexadecimal digits. */
export function noteKeyId({ name, type, publicKey }: NoteKey): string {
  const named = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(KEY_TYPES[type]), publicKey]);
  return hash("sha256", named, "hex").slice(0, 2 * KEY_ID_BYTES);
}

/** A key in one line, as verifiers are given it. */
export function formatNoteKey(key: NoteKey): string {
  const typed = Buffer.concat([Buffer.of(KEY_TYPES[key.type]), key.publicKey]);
  return `${key.name}+${noteKeyId(key)}+${typed.toString("base64")}`;
}

/**
 * Reads a verifier key.
 *
 * @returns `undefined` for anything else, for a key of another kind, and where the id is not the key's.
 * @see C2SP signed-note, "Verifier keys"
 */
export function parseNoteKey(text: string): NoteKey | undefined {
  const [, name, keyId, encoded] = VERIFIER_KEY.exec(text) ?? [];
  if (name === undefined || !KEY_NAME.test(name) || encoded === undefined) return undefined;
  const typed = bytesOfBase64(encoded);
  const type = (Object.keys(KEY_TYPES) as NoteKeyType[]).find((one) => KEY_TYPES[one] === typed?.[0]);
  if (typed === undefined || type === undefined || typed.length !== 1 + PUBLIC_KEY_BYTES) return undefined;
  const key: NoteKey = { name, type, publicKey: typed.slice(1) };
  return noteKeyId(key) === keyId ? key : undefined;
}

/** Whether a text may be signed: lines without control characters, the last one ended too. */
export function isNoteText(text: string): boolean {
  return text.endsWith("\n") && !CONTROL.test(text.replaceAll("\n", ""));
}

/** One line, with its line feed. */
function formatNoteSignature({ name, keyId, bytes }: NoteSignature): string {
  return `— ${name} ${Buffer.concat([Buffer.from(keyId, "hex"), bytes]).toString("base64")}\n`;
}

export function formatNote({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(formatNoteSignature).join("")}`;
}

/**
 * Reads a note without believing it.
 *
 * @returns `undefined` for anything that is no note.
 * @see C2SP signed-note
 */
export function parseNote(note: string): SignedNote | undefined {
  const end = note.lastIndexOf("\n\n");
  if (end === -1) return undefined;
  const text = note.slice(0, end + 1);
  const signatures = parseNoteSignatures(note.slice(end + 2));
  return signatures === undefined || !isNoteText(text) ? undefined : { text, signatures };
}

/** Reads lines of signatures, at least one; `undefined` for anything else. */
function parseNoteSignatures(lines: string): readonly NoteSignature[] | undefined {
  const all = lines.split("\n");
  if (all.pop() !== "" || all.length === 0 || all.length > SIGNATURES_MAX) return undefined;
  const signatures = all.map(parseSignature);
  return signatures.every((one) => one !== undefined) ? signatures : undefined;
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = encoded === undefined ? undefined : bytesOfBase64(encoded);
  if (name === undefined || !KEY_NAME.test(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES)
    return undefined;
  const keyId = Buffer.from(bytes.subarray(0, KEY_ID_BYTES)).toString("hex");
  return { name, keyId, bytes: bytes.slice(KEY_ID_BYTES) };
}
