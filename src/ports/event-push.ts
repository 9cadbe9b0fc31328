/** Sends a security event token to a receiver, by RFC 8935. */
export type EventPush = {
  /** Resolves once the receiver has taken the token; rejects with an error whose message says why it has not. */
  push(url: string, token: string): Promise<void>;
};
