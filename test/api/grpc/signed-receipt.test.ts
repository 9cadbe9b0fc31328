import { generateKeyPairSync, sign } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { signedReceipt } from "../../../src/api/grpc/signed-receipt.ts";
import type { VerifierEntry } from "../../../src/domain/registration-entry.ts";
import { formatReceiptKey, receiptStatement } from "../../../src/domain/signed-receipt.ts";
import type { Segment, SpiffeId } from "../../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import { WatchRequest_SignatureSchema } from "../../../src/gen/stint/v1/revocations_pb.js";
import { createEntryIndex } from "../../../src/registry/entry-index.ts";
import { timestampOfMicros } from "../../../src/wire/timestamps.ts";

const keys = { one: generateKeyPairSync("ed25519"), two: generateKeyPairSync("ed25519") };
type Name = keyof typeof keys;

function keyOf(name: Name): string {
  return formatReceiptKey(keys[name].publicKey.export({ format: "der", type: "spki" }).subarray(-32));
}

function entry(name: string, receiptKey?: string): VerifierEntry {
  const content = {
    kind: "verifier",
    name: name as Segment,
    selectors: [],
    audiences: [],
    maxStalenessSeconds: 20,
  } as const;
  return {
    entryId: `entry_${name}`,
    spiffeId: `spiffe://example.org/verifier/${name}` as SpiffeId,
    origin: "api",
    disabled: false,
    revision: 1,
    createdAt: 0 as UnixMicros,
    updatedAt: 0 as UnixMicros,
    content: { ...content, ...(receiptKey === undefined ? {} : { receiptKey }) },
  };
}

const entries = createEntryIndex();
for (const one of [entry("one", keyOf("one")), entry("two", keyOf("two")), entry("keyless")]) entries.put(one);

const EPOCH = "epoch_1";
const AT = 1_800_000_000_000_000 as UnixMicros;
const CURSOR = { epoch: EPOCH, sequence: 9 };

function signature(by: Name, said: { verifier?: string; epoch?: string; sequence?: number } = {}) {
  const { verifier = `spiffe://example.org/verifier/${by}`, epoch = EPOCH, sequence = 9 } = said;
  return create(WatchRequest_SignatureSchema, {
    sequence: BigInt(sequence),
    at: timestampOfMicros(AT),
    signature: sign(null, receiptStatement({ verifier, epoch, sequence, at: AT }), keys[by].privateKey),
  });
}

test("what a verifier has signed up to its cursor is kept word for word", async () => {
  expect(await signedReceipt(signature("one", { sequence: 7 }), CURSOR, "entry_one", entries)).toMatchObject({
    verifier: "spiffe://example.org/verifier/one",
    epoch: EPOCH,
    sequence: 7,
    at: AT,
    key: keyOf("one"),
  });
});

test("a signature proves nothing where the entry names no key", async () => {
  expect(await signedReceipt(signature("one"), CURSOR, "entry_keyless", entries)).toBeUndefined();
});

const LIES = [
  {
    lie: "with another verifier's key",
    made: signature("two", { verifier: "spiffe://example.org/verifier/one" }),
    field: "signature",
  },
  { lie: "with what another verifier has signed", made: signature("two"), field: "signature" },
  {
    lie: "in another's name",
    made: signature("one", { verifier: "spiffe://example.org/verifier/two" }),
    field: "signature",
  },
  { lie: "about another epoch", made: signature("one", { epoch: "epoch_2" }), field: "signature" },
  { lie: "about what was not sent yet", made: signature("one", { sequence: 10 }), field: "sequence" },
  {
    lie: "with no signature",
    made: create(WatchRequest_SignatureSchema, { sequence: 9n, at: timestampOfMicros(AT) }),
    field: "signature",
  },
  { lie: "with no instant", made: create(WatchRequest_SignatureSchema, { sequence: 9n }), field: "at" },
];

test.for(LIES)("a verifier that lies $lie is refused", async ({ made, field }) => {
  await expect(signedReceipt(made, CURSOR, "entry_one", entries)).rejects.toMatchObject({
    code: "INVALID_FIELD",
    message: expect.stringContaining(`signature.${field}`),
  });
});
