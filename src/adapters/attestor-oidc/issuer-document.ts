import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { LIMITS } from "../../domain/limits.ts";
import { type JsonObject, parseStrictObject } from "../../domain/strict-json.ts";
import { TokenRefusal } from "./token-refusal.ts";

/** How an issuer is recognised, and until when it is waited for. */
export type Reach = {
  /** CA certificates, PEM; absent: those that Node.js has. */
  readonly roots: string | undefined;
  readonly over: AbortSignal;
};

/** Why nothing of an issuer can be believed now; `detail` for the log alone. */
export function issuerUnusable(detail: string): TokenRefusal {
  return new TokenRefusal("keys", detail);
}

/**
 * Asks an issuer for a JSON document, on a connection of its own. Redirects are not followed: they could lead to an
 * address that only the broker can reach.
 *
 * @param url - https, or http to the machine itself; the caller has checked this.
 * @throws TokenRefusal
 */
export async function fetchDocument(url: URL, reach: Reach): Promise<JsonObject> {
  const answer = await answerTo(url, reach);
  const { statusCode = 0, headers } = answer;
  if (statusCode !== 200 || (headers["content-encoding"] ?? "identity") !== "identity") {
    answer.destroy();
    throw issuerUnusable(
      statusCode === 200 ? `${url.href} compresses its answer` : `${url.href} answered ${statusCode}`,
    );
  }
  const document = parseStrictObject(await bodyOf(url, answer));
  if (document === undefined) throw issuerUnusable(`${url.href} is not a JSON object without repeated members`);
  return document;
}

function answerTo(url: URL, { roots, over }: Reach): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const common = {
      method: "GET",
      // No connection is kept, and no proxy is asked.
      agent: false,
      signal: over,
      headers: { accept: "application/json", "accept-encoding": "identity" },
    } as const;
    const question =
      url.protocol === "https:"
        ? tlsRequest(url, {
            ...common,
            // Stated here, since an environment variable could change the default.
            rejectUnauthorized: true,
            minVersion: "TLSv1.2",
            ...(roots === undefined ? {} : { ca: roots }),
          })
        : plainRequest(url, common);
    question.once("response", resolve);
    question.on("error", (error) => reject(issuerUnusable(`${url.href} can't be had: ${error.message}`)));
    question.end();
  });
}

async function bodyOf(url: URL, answer: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer) {
      parts.push(part);
      bytes += part.length;
      if (bytes > LIMITS.issuerDocumentBytesMax) {
        throw issuerUnusable(`${url.href} is larger than ${LIMITS.issuerDocumentBytesMax} bytes`);
      }
    }
  } catch (thrown) {
    throw thrown instanceof TokenRefusal ? thrown : issuerUnusable(`${url.href} broke off its answer`);
  }
  return Buffer.concat(parts);
}
