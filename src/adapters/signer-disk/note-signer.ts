import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { join } from "node:path";
import { checkpointText, parseCheckpointText } from "../../domain/checkpoint.ts";
import { unsigned } from "../../domain/signable.ts";
import { formatNote, isNoteText, noteKeyId } from "../../domain/signed-note.ts";
import type { NoteSigner } from "../../ports/note-signer.ts";
import { UnsafeFileError } from "./private-file.ts";
import { keepSecret } from "./secret-file.ts";

const FILE = "checkpoint.key";
const SEED_BYTES = 32;
/** What precedes the seed of an Ed25519 key in PKCS #8. RFC 8410 section 7 */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Opens the key of checkpoints: 32 bytes in a file of mode 0600 in the data directory, made on first use.
 *
 * @throws UnsafeFileError for a file that others could have read or made, or that holds no such key
 */
export async function openNoteSigner(directory: string): Promise<NoteSigner> {
  const seed = await keepSecret(directory, FILE, newSeed);
  if (seed.length !== SEED_BYTES) throw new UnsafeFileError(join(directory, FILE), `expected ${SEED_BYTES} bytes`);
  return noteSigner(createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" }));
}

function newSeed(): Uint8Array {
  const { d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return Buffer.from(d, "base64url");
}

function noteSigner(key: KeyObject): NoteSigner {
  const publicKey = new Uint8Array(Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url"));

  function note(name: string, text: string): string {
    if (!isNoteText(text)) throw unsigned("no text of a note");
    const keyId = noteKeyId({ name, type: "ed25519", publicKey });
    return formatNote({ text, signatures: [{ name, keyId, bytes: sign(null, Buffer.from(text), key) }] });
  }

  return {
    publicKey,
    checkpoint: (checkpoint) => note(checkpoint.origin, checkpointText(checkpoint)),
    statement(name, text) {
      // Whoever trusts the key would take it for one, whatever name stands at the signature.
      if (parseCheckpointText(text) !== undefined) throw unsigned("a checkpoint was to be signed as another text");
      return note(name, text);
    },
  };
}
