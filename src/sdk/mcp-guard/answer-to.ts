import { type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Readable } from "node:stream";

export type Sent = Pick<RequestOptions, "method" | "signal"> & {
  readonly headers: Readonly<Record<string, string>>;
  /** Certificates of those who may vouch for the server. Absent: those that Node.js has. */
  readonly ca?: Buffer | undefined;
};

/**
 * The head of the answer to one request, however long it takes: the global `fetch` gives up after five minutes of silence. Follows no
 * redirect and decodes nothing.
 *
 * @param body - sent with its length, a stream in chunks as it comes; `undefined` for a request without one.
 * @throws the error of Node.js, also for a signal that aborts
 */
export function answerTo(
  url: string,
  { headers, ...sent }: Sent,
  body?: Uint8Array | Readable,
): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>();
  const send = new URL(url).protocol === "https:" ? requestHttps : requestHttp;
  const isWhole = body instanceof Uint8Array;
  const withLength = { ...headers, ...(isWhole && { "content-length": String(body.length) }) };
  const outgoing = send(url, { ...sent, headers: withLength }, answered.resolve);
  // Whoever reads the answer is told of what comes after its head.
  outgoing.on("error", answered.reject);
  if (body === undefined || isWhole) outgoing.end(body);
  else body.on("error", (error) => outgoing.destroy(error)).pipe(outgoing);
  return answered.promise;
}
