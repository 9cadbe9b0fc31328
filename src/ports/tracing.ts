/** What is answered, over which protocol. Nothing in it says who asked. */
export type ServedCall = {
  /** Of an RPC the full method, `stint.v1.Steps/Open`; of HTTP the method and the route, `GET /jwks.json`. */
  readonly name: string;
  /** The caller's own span, as W3C Trace Context has it in a header; as the caller sent it. */
  readonly traceparent?: string;
} & ({ readonly protocol: "grpc" } | { readonly protocol: "http"; readonly method: string; readonly route?: string });

/** How a call was answered. */
export type ServedOutcome = {
  /** Name of the gRPC status, `PERMISSION_DENIED`; or the HTTP status. */
  readonly status: string | number;
  /** Reason of a refusal. */
  readonly reason?: string;
  /** Whether the broker failed, which a refusal does not say. */
  readonly isFault: boolean;
};

/**
 * Spans of what the broker does. They hold methods, reasons and times: no identity, no id, nothing of a caller but the ids of the
 * caller's own trace.
 */
export type Tracing = {
  /**
   * Runs what answers a call, in a span that is a part of the caller's trace where the caller sent one.
   *
   * @param outcomeOf - is given what `act` resolved with, or threw.
   */
  served<T>(
    call: ServedCall,
    act: () => Promise<T>,
    outcomeOf: (ended: { readonly value: T } | { readonly thrown: unknown }) => ServedOutcome,
  ): Promise<T>;
  /** Runs a part of what is under way in a span below; by itself where nothing is, or where that is not sampled. */
  part<T>(name: string, act: () => Promise<T>): Promise<T>;
  /** The trace of what is under way, where that is sampled: 32 hexadecimal digits. */
  traceId(): string | undefined;
  /** What tells another program, in a header, that its work is a part of what is under way. */
  traceparent(): string | undefined;
};
