import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidField } from "../../domain/errors.ts";
import { formatReceiptKey, receiptStatement, type SignedReceipt } from "../../domain/signed-receipt.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { WatchRequest_SignatureSchema } from "../../gen/stint/v1/revocations_pb.js";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import type { SignableReceipt } from "./feed-state.ts";
import type { Instant } from "./freshness.ts";

/** Signs what a verifier says that it has applied. The private key is this process's and its file's alone. */
export type ReceiptKey = {
  /** As the verifier's entry names it (`receipt_key`). */
  readonly publicKey: string;
  sign(said: Pick<SignedReceipt, "verifier" | "epoch" | "sequence" | "at">): Uint8Array;
};

const OTHERS = 0o077;
const ED25519_KEY_BYTES = 32;

/**
 * The key in a file, which is made with mode 0600 where it is missing.
 *
 * @throws BrokerError INVALID_FIELD `receiptKeyFile` for a file that others may read, or that holds no such key
 */
export function keepReceiptKey(path: string): ReceiptKey {
  const key = read(path) ?? make(path);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: formatReceiptKey(spki.subarray(-ED25519_KEY_BYTES)),
    sign: (said) => sign(null, receiptStatement({ ...said, at: said.at }), key),
  };
}

/** The signature that goes with an acknowledgement, if there is something to sign and a key to sign it with. */
export function signatureFor(
  signable: SignableReceipt | undefined,
  { wallMs }: Pick<Instant, "wallMs">,
  key: ReceiptKey | undefined,
): MessageInitShape<typeof WatchRequest_SignatureSchema> | undefined {
  if (signable === undefined || key === undefined) return undefined;
  const at = Math.floor(wallMs * 1_000) as UnixMicros;
  const { sequence } = signable;
  return { sequence: BigInt(sequence), at: timestampOfMicros(at), signature: key.sign({ ...signable, at }) };
}

function read(path: string): KeyObject | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if ((stat.mode & OTHERS) !== 0) throw invalidField("receiptKeyFile", "a file of mode 0600: others may read it");
  const key = keyIn(readFileSync(path));
  if (key?.asymmetricKeyType !== "ed25519") throw invalidField("receiptKeyFile", "an Ed25519 private key in PEM");
  return key;
}

function keyIn(pem: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function make(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  // Never over a file that has come meanwhile: another process of the verifier may have made its key.
  writeFileSync(path, pem, { mode: 0o600, flag: "wx", flush: true });
  return privateKey;
}
