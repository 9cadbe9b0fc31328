import type { IncomingMessage, ServerResponse } from "node:http";
import type { Arrival } from "./host-check.ts";

/** A request that is refused before any route sees it. */
export type Refusal = {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** What a path takes beyond GET and HEAD by anybody. */
export type FormTerms = {
  readonly bytesMax: number;
  readonly media?: "form" | "json" | "secevent" | "proto" | "connect";
  /** Absent: POST alone. A path that takes GET or DELETE takes a query with those. */
  readonly methods?: readonly ("GET" | "POST" | "PUT" | "PATCH" | "DELETE")[];
};

/** Paths that take a form, or JSON, of bounded length by POST, and nothing else unless that is said. */
export type FormPaths = ReadonlyMap<string, FormTerms>;

type Head = Pick<IncomingMessage, "method" | "url" | "headers" | "rawHeaders">;

const METHODS = ["GET", "HEAD"];
/** Media types: without parameters, or with the charset that they have to have anyhow. */
const FORM = {
  name: "application/x-www-form-urlencoded",
  form: /^application\/x-www-form-urlencoded(?:;\s*charset="?utf-8"?)?$/i,
};
const JSON_BODY = { name: "application/json", form: /^application\/json(?:;\s*charset="?utf-8"?)?$/i };
const SECURITY_EVENT = { name: "application/secevent+jwt", form: /^application\/secevent\+jwt$/i };
/** Of the Connect protocol: a message, and a stream of them. */
const PROTO = { name: "application/proto", form: /^application\/proto$/i };
const CONNECT = { name: "application/connect+proto", form: /^application\/connect\+proto$/i };
const BODIES = { form: FORM, json: JSON_BODY, secevent: SECURITY_EVENT, proto: PROTO, connect: CONNECT } as const;
const WITHOUT_BODY = ["GET", "DELETE"];
const LENGTH = /^[0-9]{1,10}$/;

/**
 * Judges a request by its head. There is one shape of request that reads, and one more for each of the paths
 * that take a body; any other request is refused.
 *
 * @returns the refusal; nothing when the request may pass.
 */
export function refusalOf(
  request: Head,
  arrival: Arrival,
  isOurHost: (host: string, arrival: Arrival) => boolean,
  forms: FormPaths,
): Refusal | undefined {
  const { url = "", headers, rawHeaders } = request;
  // A URL in absolute form carries a host of its own, which would count instead of the header's. RFC 9112 section 3.2.2
  if (!url.startsWith("/")) return { status: 400, text: "expected a path" };
  // Of two Host headers one program may believe the first and another the second.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length !== 1) return { status: 400, text: "expected one Host" };
  if (!isOurHost(headers.host ?? "", arrival)) return { status: 421, text: "not a host of this server" };
  const [path = "", query] = url.split("?", 2);
  const form = forms.get(path);
  return form === undefined ? refusalOfRead(request) : refusalOfForm(request, query, form);
}

function refusalOfRead({ method = "", headers }: Head): Refusal | undefined {
  return METHODS.includes(method) ? refusalOfBody(headers) : notAllowed(METHODS, "GET or HEAD");
}

/** No route reads a body there: a body that is not refused would have to be swallowed, however long it is. */
function refusalOfBody(headers: Head["headers"]): Refusal | undefined {
  const hasBody = headers["transfer-encoding"] !== undefined || !["0", undefined].includes(headers["content-length"]);
  return hasBody ? { status: 400, text: "expected no body" } : undefined;
}

function notAllowed(methods: readonly string[], expected = methods.join(" or ")): Refusal {
  return { status: 405, text: `expected ${expected}`, headers: { allow: methods.join(", ") } };
}

function refusalOfForm(
  { method = "", headers }: Head,
  query: string | undefined,
  { bytesMax, media = "form", methods = ["POST"] }: FormTerms,
): Refusal | undefined {
  if (!methods.some((one) => one === method)) return notAllowed(methods);
  if (WITHOUT_BODY.includes(method)) return refusalOfBody(headers);
  // URLs are logged on their way, and what a form holds here is secret.
  if (query !== undefined) return { status: 400, text: "expected a body, and no query" };
  const expected = BODIES[media];
  if (!expected.form.test(headers["content-type"] ?? "")) return { status: 415, text: `expected ${expected.name}` };
  if (headers["content-encoding"] !== undefined) return { status: 415, text: "expected no content coding" };
  const length = headers["content-length"] ?? "";
  if (headers["transfer-encoding"] !== undefined || !LENGTH.test(length)) {
    return { status: 411, text: "expected Content-Length" };
  }
  return Number(length) > bytesMax ? { status: 413, text: `expected at most ${bytesMax} bytes` } : undefined;
}

/** Answers with a refusal and closes the connection: what follows on it may be the rest of a body. */
export function refuse(response: ServerResponse, refusal: Refusal, headers: Readonly<Record<string, string>>): void {
  const body = `${refusal.text}\n`;
  response.writeHead(refusal.status, {
    ...headers,
    ...refusal.headers,
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(body);
}
