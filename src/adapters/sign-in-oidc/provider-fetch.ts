import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import type { CustomFetchOptions } from "oauth4webapi";
import { LIMITS } from "../../domain/limits.ts";

/** Asks one question of a provider. */
type ProviderFetch = (url: string, options: CustomFetchOptions<string, unknown>) => Promise<Response>;

/**
 * What asks the provider: on a connection of its own, past every proxy, for an answer of bounded length. Redirects are not followed:
 * they could lead to an address that only the broker can reach.
 *
 * @param roots - CA certificates, PEM; absent: those that Node.js has.
 */
export function providerFetch(roots: string | undefined): ProviderFetch {
  return async (url, { method, headers, body, signal }) => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method, headers: { ...headers, "accept-encoding": "identity" }, agent: false, signal } as const;
      const secure = {
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        ...(roots !== undefined && { ca: roots }),
      } as const;
      const question = url.startsWith("https:")
        ? tlsRequest(url, { ...options, ...secure })
        : plainRequest(url, options);
      question.once("response", resolve).on("error", reject);
      question.end(body === undefined || body === null ? undefined : String(body));
    });
    const { "content-type": type = "" } = answer.headers;
    return new Response(await bodyOf(answer), { status: answer.statusCode ?? 0, headers: { "content-type": type } });
  };
}

/** @throws RangeError for an answer that is too long */
async function bodyOf(answer: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer) {
    parts.push(part);
    bytes += part.length;
    if (bytes > LIMITS.issuerDocumentBytesMax) {
      answer.destroy();
      throw new RangeError(`the provider's answer has more than ${LIMITS.issuerDocumentBytesMax} bytes`);
    }
  }
  return Uint8Array.from(Buffer.concat(parts));
}
