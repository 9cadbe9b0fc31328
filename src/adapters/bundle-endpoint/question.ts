import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { codeOf, endpointFailure } from "./endpoint-failure.ts";

/** Redirects that say where the document is this time. 301 and 308 say where it is from now on; 300 offers a choice. */
const TEMPORARY_REDIRECTS: readonly number[] = [302, 303, 307];
const PERMANENT_REDIRECTS: readonly number[] = [301, 308];

const MEBIBYTE = 1024 * 1024;

/**
 * Asks for a URL on a connection whose other end was recognised.
 *
 * @returns the document, or the URL where it is to be asked for instead
 * @throws BrokerError NOT_SERVING
 * @see SPIFFE Federation sections 5.2.1.4 and 5.2.2.4
 */
export async function ask(socket: TLSSocket, url: URL): Promise<string | URL> {
  const answer = await answerTo(socket, url);
  const { statusCode = 0, headers } = answer;
  if (TEMPORARY_REDIRECTS.includes(statusCode)) return redirectedTo(url, headers.location);
  if (PERMANENT_REDIRECTS.includes(statusCode)) {
    throw endpointFailure("redirects permanently", headers.location);
  }
  if (statusCode !== 200) throw endpointFailure(`answered ${statusCode}`);
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw endpointFailure("compresses its answer, which was not asked for", encoding);
  }
  return textOf(await bodyOf(answer));
}

function answerTo(socket: TLSSocket, url: URL): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const question = request(url, {
      method: "GET",
      // With a connection given there is no agent: no connection is kept, and no proxy is asked.
      createConnection: () => socket,
      headers: { accept: "application/json", "accept-encoding": "identity", connection: "close" },
    });
    question.once("response", resolve);
    question.on("error", (error) => {
      const isNotHttp = codeOf(error)?.startsWith("HPE_") === true;
      reject(endpointFailure(isNotHttp ? "answers with something that is not HTTP" : "broke off its answer", error));
    });
    // A connection may also close without an error, for example when the other end wants to speak another protocol.
    question.once("close", () => reject(endpointFailure("broke off its answer")));
    question.end();
  });
}

function redirectedTo(url: URL, location: string | undefined): URL {
  const target = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  const isSamePlace = target?.origin === url.origin && target.username === "" && target.password === "";
  if (target === undefined || !isSamePlace) throw endpointFailure("redirects to another place", location);
  return target;
}

async function bodyOf(answer: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer) {
      parts.push(part);
      bytes += part.length;
      if (bytes > LIMITS.foreignBundleBytesMax) {
        throw endpointFailure(`answers with more than ${LIMITS.foreignBundleBytesMax / MEBIBYTE} MiB`);
      }
    }
  } catch (thrown) {
    throw thrown instanceof BrokerError ? thrown : endpointFailure("broke off its answer", thrown);
  }
  return Buffer.concat(parts);
}

function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (thrown) {
    throw endpointFailure("answers with something that is not UTF-8", thrown);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
