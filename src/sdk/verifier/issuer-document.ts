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

export type AskedTerms = DocumentTerms & {
  /** JSON to be posted; absent: the path is got. */
  readonly body?: string;
  /** Who asks. */
  readonly client?: { readonly cert: string; readonly key: string };
};

export type IssuerAnswer = {
  readonly status: number;
  readonly text: string;
  /** When it was made by the issuer's clock, rounded down: Unix milliseconds, or NaN. */
  readonly dateMs: number;
};

/** Why a document could not be had. Its message is in words of ours alone. */
export class DocumentUnavailable extends Error {
  override readonly name = "DocumentUnavailable";
}

/**
 * Fetches a document of an issuer.
 *
 * @param path - with its first slash.
 * @throws DocumentUnavailable
 */
export async function fetchDocument(place: IssuerPlace, path: string, terms: DocumentTerms): Promise<string> {
  const { status, text } = await askIssuer(place, path, terms);
  if (status !== 200) throw new DocumentUnavailable(`${path} was answered ${status}`);
  return text;
}

/**
 * Asks an issuer, on a connection of its own. No redirect is followed: it could lead to an address that only this machine can reach.
 *
 * @throws DocumentUnavailable
 */
export async function askIssuer(place: IssuerPlace, path: string, terms: AskedTerms): Promise<IssuerAnswer> {
  const answer = await answerTo(new URL(`${place.url}${path}`), place, terms);
  const { statusCode: status = 0, headers } = answer;
  if ((headers["content-encoding"] ?? "identity") !== "identity") {
    answer.destroy();
    throw new DocumentUnavailable(`${path} came compressed`);
  }
  return { status, text: await textOf(answer, path, terms.bytesMax), dateMs: Date.parse(headers.date ?? "") };
}

function answerTo(
  url: URL,
  { roots }: IssuerPlace,
  { accept, signal, body, client }: AskedTerms,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const ofBody =
    body === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
  const common = {
    method: body === undefined ? "GET" : "POST",
    // No connection is kept, and no proxy is asked.
    agent: false,
    signal,
    // What a cache in between has would be too old.
    headers: { accept, "accept-encoding": "identity", "cache-control": "no-cache", ...ofBody },
  } as const;
  const tls = {
    ...common,
    ...client,
    // Stated here, since an environment variable could change the default.
    rejectUnauthorized: true,
    minVersion: client === undefined ? "TLSv1.2" : "TLSv1.3",
    ...(roots !== undefined && { ca: roots }),
  } as const;
  const sent = url.protocol === "https:" ? tlsRequest(url, tls) : plainRequest(url, common);
  sent.once("response", resolve);
  // After the head it is the answer's reader that is told.
  sent.on("error", (error) => reject(new DocumentUnavailable(`${url.pathname} can't be had: ${codeOf(error)}`)));
  sent.end(body);
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
