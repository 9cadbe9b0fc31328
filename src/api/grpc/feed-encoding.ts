import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  type DenialSchema,
  WatchResponse_DeniedSchema,
  WatchResponse_SnapshotSchema,
  WatchResponseSchema,
} from "../../gen/stint/v1/revocations_pb.js";
import { EncodedMessage } from "../../wire/encoded-message.ts";

/*
 * Messages of denials from denials that are in bytes already. Protobuf allows it: a message is its fields in any order, so
 * that encodings side by side are the encoding of all of them.
 */

/** A denial in bytes, as it stands in the `denials` of a `Snapshot` and of a `Denied`, whose numbers are the same. */
export type DenialField = Uint8Array;

export function denialField(denial: MessageInitShape<typeof DenialSchema>): DenialField {
  const bytes = toBinary(WatchResponse_SnapshotSchema, create(WatchResponse_SnapshotSchema, { denials: [denial] }));
  // Into memory that many of them share, since each is small and stays for long.
  return Buffer.from(bytes);
}

/** @param cursor - of the last part. */
export function snapshotMessage(fields: readonly DenialField[], cursor?: Uint8Array): EncodedMessage {
  const rest = create(WatchResponse_SnapshotSchema, cursor === undefined ? {} : { last: true, cursor });
  return responseOf("snapshot", [...fields, toBinary(WatchResponse_SnapshotSchema, rest)]);
}

/** @param cursor - of the last part of what is told together. */
export function deniedMessage(fields: readonly DenialField[], cursor?: Uint8Array): EncodedMessage {
  const rest = create(WatchResponse_DeniedSchema, cursor === undefined ? {} : { cursor });
  return responseOf("denied", [...fields, toBinary(WatchResponse_DeniedSchema, rest)]);
}

function responseOf(kind: "snapshot" | "denied", parts: readonly Uint8Array[]): EncodedMessage {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const writer = new BinaryWriter().tag(WatchResponseSchema.field[kind].number, WireType.LengthDelimited);
  return new EncodedMessage(Buffer.concat([writer.uint32(bytes).finish(), ...parts]));
}
