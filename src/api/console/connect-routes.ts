import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  createConnectRouter,
  type MethodImpl,
  type Transport,
} from "@connectrpc/connect";
import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import { NO_STORE } from "../http/document.ts";
import type { FormPaths } from "../http/request-guard.ts";
import { CONSOLE_METHODS, SHARED_METHODS } from "./services.ts";
import { createSharedAnswers } from "./shared-answers.ts";

/** Below it, each method is at its own path: `stint.v1.Steps/Get`. */
const API = "/console/api";
/** Names the session in calls within this process; what a browser sends under this name is not looked at. */
export const SESSION_METADATA = "stint-console-session";
/** A set of policies comes in parts, all of them in one body. */
const STREAMED_BYTES_MAX = 8 * 1024 * 1024;

export type ConnectFacts = {
  /** The id of the session that a request of a page of ours comes with; `undefined`: of none. */
  readonly sessionOf: (context: Context) => string | undefined;
  /** By which entries somebody is who they are, as these entries are now: the same for those alone who may be told the same. */
  readonly knownAs: (session: string) => string | undefined;
  readonly clock: Pick<Clock, "monotonicMs">;
};

/** The methods as the request guard is to let them in. */
export function connectForms(): FormPaths {
  return new Map(
    CONSOLE_METHODS.map((method) => [
      pathOf(method),
      {
        media: method.methodKind === "unary" ? "proto" : "connect",
        bytesMax: method.methodKind === "unary" ? LIMITS.requestBytesMax : STREAMED_BYTES_MAX,
      },
    ]),
  );
}

/**
 * Serves the broker's own contract to browsers: each call is passed on to the gRPC server of operators, which attests, decides and
 * answers as over any other way in.
 *
 * @param server - the way to the gRPC server.
 * @see the Connect protocol, https://connectrpc.com/docs/protocol
 */
export function connectRoutes(server: Transport, { sessionOf, knownAs, clock }: ConnectFacts): Hono {
  const shared = createSharedAnswers(clock);
  const router = createConnectRouter({ grpc: false, grpcWeb: false, readMaxBytes: LIMITS.requestBytesMax });
  for (const method of CONSOLE_METHODS) router.rpc(method, passedOn(method, server));
  const routes = new Hono();
  for (const handler of router.handlers) {
    routes.post(`${API}${handler.requestPath}`, async (context) => {
      const { raw } = context.req;
      const header = new Headers(raw.headers);
      header.delete(SESSION_METADATA);
      const session = sessionOf(context);
      if (session !== undefined) header.set(SESSION_METADATA, session);
      const ask = async (request: Request) =>
        universalServerResponseToFetch(await handler({ ...universalServerRequestFromFetch(request, {}), header }));
      const maxAgeMs = maxAgeOf(context);
      const who = session === undefined ? undefined : knownAs(session);
      if (maxAgeMs === 0 || who === undefined || !SHARED_METHODS.has(handler.method)) return ask(raw);
      const body = new Uint8Array(await raw.arrayBuffer());
      const key = [who, handler.requestPath, Buffer.from(body).toString("latin1")].join(" ");
      const {
        status,
        mediaType,
        body: told,
      } = await shared.answer(key, maxAgeMs, async () => {
        const answer = await ask(new Request(raw.url, { method: "POST", headers: header, body }));
        const type = answer.headers.get("content-type") ?? "";
        return { status: answer.status, mediaType: type, body: new Uint8Array(await answer.arrayBuffer()) };
      });
      return context.body(told, status as ContentfulStatusCode, { ...NO_STORE, "content-type": mediaType });
    });
  }
  return routes;
}

/** How old an answer may be that a page is content with, as RFC 9111 section 5.2.1.1 has it; 0: none but its own. */
function maxAgeOf(context: Context): number {
  const [, seconds = "0"] = /^max-age=([0-9]{1,3})$/.exec(context.req.header("cache-control") ?? "") ?? [];
  return Number(seconds) * 1_000;
}

function pathOf({ parent, name }: DescMethod): string {
  return `${API}/${parent.typeName}/${name}`;
}

type Terms = { readonly signal: AbortSignal; readonly requestHeader: Headers };
type Passing = (input: unknown, terms: Terms) => unknown;

/** A method of every kind is called with one value and answers with one: a message or a stream of messages each. */
function passedOn(method: DescMethod, server: Transport): MethodImpl<DescMethod> {
  const client = createClient(method.parent, server) as Readonly<
    Record<string, (input: unknown, options: unknown) => unknown>
  >;
  const call: Passing = (input, { signal, requestHeader }) => {
    const session = requestHeader.get(SESSION_METADATA);
    const headers = session === null ? {} : { [SESSION_METADATA]: session };
    return client[method.localName]?.(input, { signal, headers });
  };
  const answersOnce = method.methodKind === "unary" || method.methodKind === "client_streaming";
  const implementation: Passing = answersOnce
    ? async (input, terms) => {
        try {
          return await call(input, terms);
        } catch (thrown) {
          throw told(thrown);
        }
      }
    : async function* (input, terms) {
        try {
          yield* call(input, terms) as AsyncIterable<unknown>;
        } catch (thrown) {
          throw told(thrown);
        }
      };
  return implementation as MethodImpl<DescMethod>;
}

/** The error as the broker gave it: code, message and details, without what the way here added. */
function told(thrown: unknown): ConnectError {
  const { rawMessage, code, details } = ConnectError.from(thrown, Code.Unavailable);
  const error = new ConnectError(rawMessage, code);
  error.details = details;
  return error;
}
