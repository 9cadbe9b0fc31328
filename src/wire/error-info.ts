import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** The machine-readable part of an error: `google.rpc.ErrorInfo`. */
export type ErrorInfo = {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** The trailer that carries a `google.rpc.Status`. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";
/** The domain of the reasons that `stint.v1.Reason` lists. */
export const STINT_DOMAIN = "stint";

export const ERROR_INFO_TYPE = "google.rpc.ErrorInfo";
const TYPE_PREFIX = "type.googleapis.com/";
/** Protobuf's wire type of bytes, strings and messages. */
const LENGTH_DELIMITED = 2;
const VARINT = 0;

/*
 * Three small published messages, written field by field: google.rpc.Status {1 code, 2 message, 3 details},
 * google.protobuf.Any {1 type_url, 2 value}, google.rpc.ErrorInfo {1 reason, 2 domain, 3 metadata}.
 */

/** A further detail of an error, beside its ErrorInfo. */
export type StatusDetail = { readonly type: string; readonly value: Uint8Array };

/**
 * Encodes a `google.rpc.Status` with its details, of which the ErrorInfo is the first.
 *
 * @param code - the gRPC code, the same as that of the call.
 * @param message - the same as that of the call.
 */
export function encodeStatusDetails(
  code: number,
  message: string,
  info: ErrorInfo,
  others: readonly StatusDetail[] = [],
): Uint8Array {
  const writer = new BinaryWriter().tag(1, VARINT).int32(code).tag(2, LENGTH_DELIMITED).string(message);
  for (const { type, value } of [{ type: ERROR_INFO_TYPE, value: encodeErrorInfo(info) }, ...others]) {
    writer.tag(3, LENGTH_DELIMITED).fork();
    writer.tag(1, LENGTH_DELIMITED).string(`${TYPE_PREFIX}${type}`).tag(2, LENGTH_DELIMITED).bytes(value);
    writer.join();
  }
  return writer.finish();
}

function encodeErrorInfo(info: ErrorInfo): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, LENGTH_DELIMITED).string(info.reason).tag(2, LENGTH_DELIMITED).string(info.domain);
  for (const [key, value] of Object.entries(info.metadata)) {
    writer.tag(3, LENGTH_DELIMITED).fork();
    writer.tag(1, LENGTH_DELIMITED).string(key).tag(2, LENGTH_DELIMITED).string(value);
    writer.join();
  }
  return writer.finish();
}

/** The first ErrorInfo of an encoded `google.rpc.Status`; `undefined` when there is none, or the bytes are no Status. */
export function decodeErrorInfo(statusDetails: Uint8Array): ErrorInfo | undefined {
  return decodeDetail(statusDetails, ERROR_INFO_TYPE, readErrorInfo);
}

/** The first detail of this type in an encoded `google.rpc.Status`; `undefined` when there is none, or it can't be read. */
export function decodeDetail<Detail>(
  statusDetails: Uint8Array,
  type: string,
  decode: (value: Uint8Array) => Detail | undefined,
): Detail | undefined {
  try {
    for (const detail of fieldsOf(statusDetails).bytesOf(3)) {
      const any = fieldsOf(detail);
      const [url] = any.textsOf(1);
      const [value] = any.bytesOf(2);
      if (url?.split("/").at(-1) === type) return decode(value ?? new Uint8Array());
    }
  } catch {
    // Details are an addition to code and message, which hold without them.
  }
  return undefined;
}

/** A `google.rpc.ErrorInfo` by itself. */
export function readErrorInfo(bytes: Uint8Array): ErrorInfo {
  const info = fieldsOf(bytes);
  const metadata = info.bytesOf(3).map((entry) => {
    const pair = fieldsOf(entry);
    return [pair.textsOf(1)[0] ?? "", pair.textsOf(2)[0] ?? ""] as const;
  });
  return {
    reason: info.textsOf(1)[0] ?? "",
    domain: info.textsOf(2)[0] ?? "",
    metadata: Object.fromEntries(metadata),
  };
}

/** The length-delimited fields of one message, in order; all others are skipped. Throws on bytes that are no message. */
function fieldsOf(message: Uint8Array) {
  const reader = new BinaryReader(message);
  const fields: { readonly number: number; readonly value: Uint8Array }[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === LENGTH_DELIMITED) fields.push({ number, value: reader.bytes() });
    else reader.skip(wireType, number);
  }
  const bytesOf = (number: number) => fields.filter((field) => field.number === number).map((field) => field.value);
  const textsOf = (number: number) => bytesOf(number).map((value) => new TextDecoder().decode(value));
  return { bytesOf, textsOf };
}
