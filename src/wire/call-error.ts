import type { DescMethod } from "@bufbuild/protobuf";
import { Metadata, status } from "@grpc/grpc-js";
import type { DenialDetails } from "../domain/denial-details.ts";
import { ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import { DENIAL_DETAILS_TYPE, decodeDenialDetails } from "./denial-details.ts";
import { decodeDetail, decodeErrorInfo, type ErrorInfo, STATUS_DETAILS_KEY, STINT_DOMAIN } from "./error-info.ts";

/** A call that was refused or failed, as the caller sees it. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** gRPC code. */
  readonly code: status;
  /** Present when the broker itself gave a reason; absent when the connection or gRPC failed. */
  readonly info: ErrorInfo | undefined;
  /** Present where a recorded decision stands behind the refusal, and the broker is new enough to say so. */
  readonly denial: DenialDetails | undefined;

  constructor(
    code: status,
    message: string,
    options: {
      readonly info?: ErrorInfo | undefined;
      readonly denial?: DenialDetails | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.info = options.info;
    this.denial = options.denial;
  }

  /** The reason, where this version knows it. An error with an unknown reason is a refusal all the same. */
  get reason(): ErrorCode | undefined {
    const { info } = this;
    if (info === undefined || info.domain !== STINT_DOMAIN) return undefined;
    return ERROR_CODES.find((known) => known === info.reason);
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.info?.metadata ?? {};
  }

  /** `FAILED_PRECONDITION` and the like. */
  get codeName(): string {
    return status[this.code] ?? `code ${this.code}`;
  }

  /** Whether nobody answered: then this is no refusal, and nothing is known of what was done. */
  get unreachable(): boolean {
    const unanswered = this.code === status.UNAVAILABLE || this.code === status.DEADLINE_EXCEEDED;
    return unanswered && this.info === undefined;
  }

  /** Whether whoever answered does not know the method. */
  get isUnknownMethod(): boolean {
    return this.code === status.UNIMPLEMENTED && this.info === undefined;
  }
}

/** Why connecting failed, in words; the rest of a gRPC library's text is of no help to anybody. */
const WHY_UNREACHABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nobody listens there",
  EACCES: "permission denied",
  ENOTSOCK: "it is not a socket",
};

/** Why nobody answered a call that is `unreachable`. */
export function whyUnreachable({ message, codeName }: CallError): string {
  const [known] = Object.entries(WHY_UNREACHABLE).filter(([code]) => message.includes(code));
  return known?.[1] ?? (codeName === "DEADLINE_EXCEEDED" ? "no answer in time" : "no connection");
}

/**
 * The one door for whatever a call threw. Never throws.
 *
 * @param method - what was called, where that is known: of a broker that does not know it there is more to say than gRPC does.
 */
export function callErrorOf(thrown: unknown, method?: DescMethod): CallError {
  if (thrown instanceof CallError) return thrown;
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "number") {
    return new CallError(status.UNKNOWN, "the call failed", { cause: thrown });
  }
  const message = "details" in thrown && typeof thrown.details === "string" ? thrown.details : thrown.message;
  const trailers = "metadata" in thrown && thrown.metadata instanceof Metadata ? thrown.metadata : undefined;
  const [details] = trailers?.get(STATUS_DETAILS_KEY) ?? [];
  if (!(details instanceof Uint8Array)) {
    const isUnknown = thrown.code === status.UNIMPLEMENTED && method !== undefined;
    return new CallError(thrown.code, isUnknown ? unknownMethod(method) : message, { cause: thrown });
  }
  const denial = decodeDetail(details, DENIAL_DETAILS_TYPE, decodeDenialDetails);
  return new CallError(thrown.code, message, { info: decodeErrorInfo(details), denial, cause: thrown });
}

function unknownMethod({ parent, name }: DescMethod): string {
  return `the broker does not know ${parent.typeName}/${name}: it is of an older version, or serves that at another endpoint`;
}
