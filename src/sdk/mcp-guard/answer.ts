import { textOf } from "./text-of.ts";

/** What a server has answered, or a guard: a text that came whole, or a body as it comes. A Response is one. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string | ReadableStream<Uint8Array<ArrayBuffer>> | null;
};

export function isOk({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** @throws RangeError for more than is allowed; and what reading throws */
export async function textOfAnswer({ body }: Answer): Promise<string> {
  if (body === null) return "";
  return typeof body === "string" ? body : textOf(body);
}

/** For whoever speaks `fetch`. */
export function fetchResponseOf({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers });
}

/** Of an answer that nobody is going to read. */
export async function discard({ body }: Answer): Promise<void> {
  if (body instanceof ReadableStream) await body.cancel().catch(() => undefined);
}
