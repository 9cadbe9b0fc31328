import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";

/** Where an issuer's documents are, and who vouches for that. */
export type IssuerPlace = {
  /** https, or http to this machine; without a trailing slash. */
  readonly url: string;
  /** CA certificates, PEM; absent: those that Node.js has. */
  readonly roots: string | undefined;
};

export type DocumentTerms = {
  /** Media type. */
  readonly accept: string;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
};

/** Why a document could not be had. Its message is in words of ours alone. */
export class DocumentUnavailable extends Error {
  override readonly name = "DocumentUnavailable";
}

/**
 * Fetches a document of an issuer, on a connection of its own. No redirect is followed: it could lead to an address that only this
 * machine can reach.
 *
 * @param path - with its first slash.
 * @throws DocumentUnavailable
 */
export async function fetchDocument(place: IssuerPlace, path: string, terms: DocumentTerms): Promise<string> {
  const answer = await answerTo(new URL(`${place.url}${path}`), place, terms);
  const { statusCode = 0, headers } = answer;
  if (statusCode !== 200 || (headers["content-encoding"] ?? "identity") !== "identity") {
    answer.destroy();
    throw new DocumentUnavailable(`${path} ${statusCode === 200 ? "came compressed" : `was answered ${statusCode}`}`);
  }
  return textOf(answer, path, terms.bytesMax);
}

function answerTo(
  url: URL,
  { roots }: IssuerPlace,
  { accept, signal }: Pick<DocumentTerms, "accept" | "signal">,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const common = {
    // No connection is kept, and no proxy is asked.
    agent: false,
    signal,
    // What a cache in between has would be too old.
    headers: { accept, "accept-encoding": "identity", "cache-control": "no-cache" },
  } as const;
  // Stated here, since an environment variable could change the default.
  const tls = {
    ...common,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ...(roots !== undefined && { ca: roots }),
  } as const;
  const sent = url.protocol === "https:" ? tlsRequest(url, tls) : plainRequest(url, common);
  sent.once("response", resolve);
  // After the head it is the answer's reader that is told.
  sent.on("error", (error) => reject(new DocumentUnavailable(`${url.pathname} can't be had: ${codeOf(error)}`)));
  sent.end();
  return promise;
}

async function textOf(answer: IncomingMessage, path: string, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer as AsyncIterable<Uint8Array>) {
      parts.push(part);
      bytes += part.length;
      // Leaving the loop ends the answer, and its connection.
      if (bytes > bytesMax) throw new DocumentUnavailable(`${path} has more than ${bytesMax} bytes`);
    }
  } catch (thrown) {
    throw thrown instanceof DocumentUnavailable ? thrown : new DocumentUnavailable(`${path} broke off`);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The code by which Node.js tells errors apart; their texts may hold what the other side wrote. */
function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}
