/** A request as far as a guard looks at it. A Request is one. */
export type GuardedRequest = Pick<Request, "method" | "url" | "headers" | "signal" | "body" | "arrayBuffer">;

/** What is sent on of one, beside its message. */
export type ForwardedRequest = Pick<Request, "method" | "url" | "headers" | "signal">;
