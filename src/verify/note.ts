import { verify } from "node:crypto";
import { type NoteKey, type NoteSignature, noteKeyId, parseNote } from "../domain/signed-note.ts";
import { ED25519_SIGNATURE_BYTES, ed25519KeyOf } from "./ed25519.ts";

const TIMESTAMP_BYTES = 8;

/** A signature that holds; of a witness, with the instant that it names, Unix seconds. */
export type SignedBy = { readonly key: NoteKey; readonly at?: number };

export type OpenedNote =
  | { readonly kind: "verified"; readonly text: string; readonly signedBy: readonly SignedBy[] }
  /** `why` says what is wrong, and nothing of the note. */
  | { readonly kind: "refused"; readonly why: string };

/**
 * Checks a signed note. Signatures of unknown keys are passed over; one that names a known key and does not hold spoils
 * the whole note.
 *
 * @param keys - the ones to believe; at least one has to have signed.
 * @see C2SP signed-note, "Verifying"; tlog-cosignature for signatures of witnesses
 */
export function openNote(note: string, keys: readonly NoteKey[]): OpenedNote {
  const parsed = parseNote(note);
  if (parsed === undefined) return { kind: "refused", why: "it is no signed note" };
  const signedBy: SignedBy[] = [];
  for (const signature of parsed.signatures) {
    const key = keys.find((one) => one.name === signature.name && noteKeyId(one) === signature.keyId);
    if (key === undefined) continue;
    const held = verifyNoteSignature(parsed.text, signature, key);
    if (held === undefined) return { kind: "refused", why: `the signature of ${key.name} does not hold` };
    signedBy.push(held);
  }
  if (signedBy.length === 0) return { kind: "refused", why: "no key that was given has signed it" };
  return { kind: "verified", text: parsed.text, signedBy };
}

/** Checks one signature by the key that it names; `undefined` where it does not hold. */
function verifyNoteSignature(text: string, { bytes }: NoteSignature, key: NoteKey): SignedBy | undefined {
  if (key.type === "ed25519") return holds(text, bytes, key) ? { key } : undefined;
  if (bytes.length !== TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES) return undefined;
  const at = Number(Buffer.from(bytes.subarray(0, TIMESTAMP_BYTES)).readBigUInt64BE());
  return holds(cosignedText(text, at), bytes.subarray(TIMESTAMP_BYTES), key) ? { key, at } : undefined;
}

/** What a witness signs of a checkpoint. */
function cosignedText(text: string, at: number): string {
  return `cosignature/v1\ntime ${at}\n${text}`;
}

function holds(text: string, signature: Uint8Array, { publicKey }: NoteKey): boolean {
  if (signature.length !== ED25519_SIGNATURE_BYTES) return false;
  return verify(null, Buffer.from(text), ed25519KeyOf(publicKey), signature);
}
